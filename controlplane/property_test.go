package controlplane_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// view is what a gateway knows.
type view struct {
	revision  int64
	merchants map[string]MerchantRecord
	keys      map[string]KeyRecord
}

// load reads all that changed after v.revision into a copy of v.
func (w *world) load(v view) view {
	w.Helper()
	ctx, out := w.Context(), view{merchants: maps.Clone(v.merchants), keys: maps.Clone(v.keys)}
	w.must(w.store.View(ctx, func(tx Tx) (err error) {
		if out.revision, err = tx.Revision(ctx); err != nil {
			return err
		}
		err = tx.SnapshotMerchants(ctx, v.revision, func(m MerchantRecord) error {
			m.Allowlist = append([]AllowedPrefix(nil), m.Allowlist...)
			out.merchants[m.ID] = m
			return nil
		})
		if err != nil {
			return err
		}
		return tx.SnapshotKeys(ctx, v.revision, time.Time{}, func(k KeyRecord) error {
			// Opened, because re-encryption changes nothing for a gateway.
			k.SealedSecret, err = w.ring.Unseal(PurposeAPISecret, APISecretLocation(k.ID, k.MerchantID, k.Environment).AAD(), k.SealedSecret)
			out.keys[k.ID] = k
			return err
		})
	}))
	return out
}

func emptyView() view {
	return view{merchants: map[string]MerchantRecord{}, keys: map[string]KeyRecord{}}
}

// Whatever is done in whatever order: a gateway that follows by revision knows
// what one that loads anew knows, the revision never falls, what fails changes
// nothing, and the audit trail grows by one row for each change and stays whole.
func TestAnySequenceOfOperations(t *testing.T) {
	w := newWorld(t)
	follower := w.load(emptyView())
	rapid.Check(t, func(r *rapid.T) {
		s := &sequence{w: w, r: r}
		s.merchants = []string{w.merchant("Shop A").ID, w.merchant("Shop B").ID, "mer_00000000000000000000000000"}
		rows := w.auditRows()
		for range rapid.IntRange(1, 15).Draw(r, "length") {
			before := w.load(emptyView())
			name, err := s.step()
			after := w.load(emptyView())
			next := w.load(follower)
			if !reflect.DeepEqual(next, after) {
				r.Fatalf("%s: a follower knows %d merchants and %d keys otherwise than the store", name, len(next.merchants), len(next.keys))
			}
			follower = next
			if err != nil && !reflect.DeepEqual(before, after) {
				r.Fatalf("%s failed (%v) and changed something", name, err)
			}
			if changed := !reflect.DeepEqual(before.merchants, after.merchants) || !reflect.DeepEqual(before.keys, after.keys); changed != (after.revision > before.revision) {
				r.Fatalf("%s: changed for gateways: %v, revision %d to %d", name, changed, before.revision, after.revision)
			}
			if err == nil {
				rows++
			}
			if c := CodeOf(err); err != nil && c == CodeInternal {
				r.Fatalf("%s: %v", name, err)
			}
		}
		if report := ok(w.VerifyAudit(t.Context(), local()))(t); report.FirstBad != 0 || report.Rows != rows {
			r.Fatalf("the trail has %+v; want %d rows", report, rows)
		}
	})
}

// sequence draws operations, sensible ones and others.
type sequence struct {
	w                     *world
	r                     *rapid.T
	merchants             []string
	users, keys, prefixes []string
	n                     int
}

func (s *sequence) pick(name string, from []string) string {
	return rapid.SampledFrom(append([]string{"none"}, from...)).Draw(s.r, name)
}

// step makes one change that the operator asks for.
func (s *sequence) step() (name string, err error) {
	ctx, w, a := s.w.Context(), s.w, local()
	m := rapid.SampledFrom(s.merchants).Draw(s.r, "merchant")
	env := rapid.SampledFrom([]Environment{Live, Test}).Draw(s.r, "environment")
	overlap := rapid.SampledFrom([]Overlap{OverlapNone, OverlapHour, OverlapDay, OverlapWeek}).Draw(s.r, "overlap")
	s.n++
	steps := map[string]func() error{
		"rename":  func() error { return justErr(w.RenameMerchant(ctx, a, RenameMerchant{m, "New name"})) },
		"suspend": func() error { return justErr(w.SuspendMerchant(ctx, a, m)) },
		"resume":  func() error { return justErr(w.ResumeMerchant(ctx, a, m)) },
		"user": func() error {
			u, err := w.CreateUser(ctx, a, CreateUser{m, fmt.Sprintf("u%d.%s", s.n, s.merchants[0]), "", RoleViewer})
			s.users = append(s.users, u.ID)
			return err
		},
		"disable": func() error { return justErr(w.DisableUser(ctx, a, m, s.pick("user", s.users))) },
		"enable":  func() error { return justErr(w.EnableUser(ctx, a, m, s.pick("user", s.users))) },
		"role": func() error {
			role := rapid.SampledFrom([]Role{RoleOwner, RoleViewer}).Draw(s.r, "role")
			return justErr(w.SetUserRole(ctx, a, SetUserRole{m, s.pick("user", s.users), role}))
		},
		"issue": func() error {
			k, err := w.IssueKey(ctx, a, IssueKey{m, env})
			s.keys = append(s.keys, k.Key.ID)
			return err
		},
		"rotate": func() error {
			k, err := w.RotateKey(ctx, a, RotateKey{MerchantID: m, Environment: env, Overlap: overlap})
			s.keys = append(s.keys, k.Key.ID)
			return err
		},
		"retire": func() error { return justErr(w.RetireKey(ctx, a, RetireKey{m, s.pick("key", s.keys), overlap})) },
		"add": func() error {
			cidr := fmt.Sprintf("8.8.%d.0/24", rapid.IntRange(0, 5).Draw(s.r, "range"))
			s.prefixes = append(s.prefixes, cidr)
			return justErr(w.AddAllowlistEntry(ctx, a, AddAllowlistEntry{m, cidr, "note"}))
		},
		"remove": func() error {
			return justErr(w.RemoveAllowlistEntry(ctx, a, RemoveAllowlistEntry{MerchantID: m, CIDR: s.pick("range", s.prefixes)}))
		},
		"rotate root": func() error { return justErr(w.RotateRoot(ctx, a, w.ring, "")) },
		"rotate data": func() error { return justErr(w.RotateDataKeys(ctx, a, w.ring)) },
	}
	names := slices.Sorted(maps.Keys(steps))
	name = rapid.SampledFrom(names).Draw(s.r, "operation")
	w.clock.pass(time.Duration(rapid.IntRange(0, 48).Draw(s.r, "hours")) * time.Hour)
	return name, steps[name]()
}
