package storetest

import (
	"context"
	"errors"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func merchantContract() []contract {
	return []contract{
		{"every field comes back", func(k *kit) {
			m := Merchant(1)
			m.Name, m.State, m.Revision = `Ünïted "Traders" 商店`, controlplane.MerchantSuspended, 7
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertMerchant(ctx, m) })
			same(k, merchant(k, m.ID), m)
		}},
		{"the zero time comes back as the zero time", func(k *kit) {
			m := Merchant(1)
			m.CreatedAt = time.Time{}
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertMerchant(ctx, m) })
			same(k, merchant(k, m.ID), m)
		}},
		{"an update writes name, state, time and revision, and nothing else", func(k *kit) {
			m := k.merchants(1)[0]
			changed := m
			changed.Name, changed.State, changed.UpdatedAt, changed.Revision = "Other", controlplane.MerchantSuspended, At(99), 12
			changed.CreatedAt = At(1000)
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateMerchant(ctx, changed) })
			changed.CreatedAt = m.CreatedAt
			same(k, merchant(k, m.ID), changed)
		}},
		{"an id is taken once", func(k *kit) {
			m := k.merchants(1)[0]
			k.wants(controlplane.ErrDuplicate, func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertMerchant(ctx, m) })
		}},
		{"an unknown merchant is not found", func(k *kit) {
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Merchant, error) {
				return tx.Merchant(ctx, "mer_x")
			})
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateMerchant(ctx, Merchant(1)) })
		}},
		{"a state outside the closed set is refused", func(k *kit) {
			m := Merchant(1)
			m.State = "asleep"
			if k.try(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertMerchant(ctx, m) }) == nil {
				k.Fatal("accepted")
			}
		}},
		{"listings are ordered by id and come in pages", func(k *kit) {
			all := k.merchants(250)
			same(k, merchants(k, controlplane.MerchantFilter{}), all[:100])
			same(k, merchants(k, controlplane.MerchantFilter{Page: controlplane.Page{Limit: 7}}), all[:7])
			same(k, merchants(k, controlplane.MerchantFilter{Page: controlplane.Page{After: all[6].ID, Limit: 1000}}), all[7:])
			same(k, merchants(k, controlplane.MerchantFilter{Page: controlplane.Page{After: all[249].ID}}), nil)
		}},
		{"a search finds parts of names in any case, and whole ids", searchMerchants},
		{"a search finds exactly the names that contain it", searchAnyText},
		{"a filter by state", func(k *kit) {
			all := k.merchants(3)
			all[1].State = controlplane.MerchantSuspended
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateMerchant(ctx, all[1]) })
			same(k, merchants(k, controlplane.MerchantFilter{State: controlplane.MerchantSuspended}), all[1:2])
			same(k, merchants(k, controlplane.MerchantFilter{State: controlplane.MerchantActive, Search: "merchant 2"}), nil)
		}},
	}
}

func searchMerchants(k *kit) {
	names := []string{"Ärger & Söhne", "100% Cotton", "under_score", `back\slash`, "underXscore"}
	all := make([]controlplane.Merchant, len(names))
	for i, name := range names {
		all[i] = Merchant(i + 1)
		all[i].Name = name
		k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertMerchant(ctx, all[i]) })
	}
	for _, c := range []struct {
		search string
		want   []controlplane.Merchant
	}{
		{"ärger", all[:1]}, {"SÖHNE", all[:1]}, {"0% c", all[1:2]}, {"%", all[1:2]}, {"r_s", all[2:3]}, {`k\s`, all[3:4]},
		{all[4].ID, all[4:]}, {all[4].ID[:10], nil}, {"nobody", nil}, {"' OR 1=1 --", nil},
	} {
		same(k, merchants(k, controlplane.MerchantFilter{Search: c.search}), c.want)
	}
}

// searchAnyText draws from letters whose cases differ in number of bytes, and from
// all that LIKE gives a meaning.
func searchAnyText(k *kit) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune(`aAzZ09%_\'" ÄäßẞİıΣσςДд商`)), 1, 6, -1)
	all := k.merchants(60)
	names := rapid.SliceOfN(text, len(all), len(all)).Example(1)
	k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
		for i := range all {
			all[i].Name = names[i]
			err = errors.Join(err, tx.UpdateMerchant(ctx, all[i]))
		}
		return err
	})
	rapid.Check(k.T, func(t *rapid.T) {
		search := text.Draw(t, "search")
		var want []controlplane.Merchant
		for _, m := range all {
			if strings.Contains(strings.ToLower(m.Name), strings.ToLower(search)) {
				want = append(want, m)
			}
		}
		same(k, merchants(k, controlplane.MerchantFilter{Search: search}), want)
	})
}

func merchant(k *kit, id string) controlplane.Merchant {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Merchant, error) {
		return tx.Merchant(ctx, id)
	})
}

func merchants(k *kit, f controlplane.MerchantFilter) []controlplane.Merchant {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Merchant, error) {
		return tx.Merchants(ctx, f)
	})
}
