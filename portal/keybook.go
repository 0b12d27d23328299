package portal

import (
	"slices"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// keyBook is a merchant's keys, newest first, with what else is known about them.
type keyBook struct {
	keys      []keyView
	allowlist []controlplane.AllowlistEntry
}

// keyView is one key as the pages show it.
type keyView struct {
	controlplane.APIKey
	Badge badge
	Href  string
	// ReplacedAt is when the next key of the environment was issued; zero: this is
	// the newest.
	ReplacedAt time.Time
	// Server is the allowlist's note on the address that used the key last.
	Server string
}

// StillUsed: somebody has used the key since there is a newer one.
func (k keyView) StillUsed() bool {
	return !k.ReplacedAt.IsZero() && k.LastUsedAt.After(k.ReplacedAt)
}

func (k keyView) works() bool { return k.State != controlplane.KeyRevoked }

// keyBook reads the keys of one environment, or of both if env is empty.
func (x *exchange) keyBook(env controlplane.Environment) (keyBook, error) {
	keys, err := x.service.ListKeys(x.ctx(), x.actor(), controlplane.KeyFilter{MerchantID: x.session.MerchantID, Environment: env})
	if err != nil {
		return keyBook{}, err
	}
	b := keyBook{}
	if b.allowlist, err = x.service.ListAllowlist(x.ctx(), x.actor(), x.session.MerchantID); err != nil {
		return keyBook{}, err
	}
	replacedAt := map[controlplane.Environment]time.Time{}
	for _, k := range keys {
		v := keyView{
			APIKey: k, Badge: keyBadge(k.State), Href: x.table.byName["keys"].path(k.Environment) + "/" + k.ID,
			ReplacedAt: replacedAt[k.Environment],
		}
		replacedAt[k.Environment] = k.CreatedAt
		if k.LastUsedIP.IsValid() {
			if check := controlplane.CheckAllowlist(b.allowlist, k.LastUsedIP); check.Entry != nil {
				v.Server = check.Entry.Note
			}
		}
		b.keys = append(b.keys, v)
	}
	return b, nil
}

func keyBadge(s controlplane.KeyState) badge {
	tone := map[controlplane.KeyState]string{controlplane.KeyActive: "good", controlplane.KeyRetiring: "warn"}[s]
	return badge{tone, "key.state." + string(s)}
}

// active is the key that requests of an environment should be signed with, or nil.
func (b keyBook) active(env controlplane.Environment) *keyView {
	i := slices.IndexFunc(b.keys, func(k keyView) bool { return k.Environment == env && k.State == controlplane.KeyActive })
	if i < 0 {
		return nil
	}
	return &b.keys[i]
}

// in are the keys in one state.
func (b keyBook) in(s controlplane.KeyState) (out []keyView) {
	for _, k := range b.keys {
		if k.State == s {
			out = append(out, k)
		}
	}
	return out
}

func (b keyBook) issued(env controlplane.Environment) bool {
	return slices.ContainsFunc(b.keys, func(k keyView) bool { return k.Environment == env })
}

func (b keyBook) called(env controlplane.Environment) bool {
	return slices.ContainsFunc(b.keys, func(k keyView) bool { return k.Environment == env && !k.LastUsedAt.IsZero() })
}

// find returns the key with an id; [controlplane.CodeNotFound] for every id that
// is not in the book, whoever's it is.
func (b keyBook) find(id string) (keyView, error) {
	i := slices.IndexFunc(b.keys, func(k keyView) bool { return k.ID == id })
	if i < 0 {
		return keyView{}, controlplane.Errorf(controlplane.CodeNotFound, "no such key")
	}
	return b.keys[i], nil
}
