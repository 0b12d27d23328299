package controlplane_test

import (
	"strings"
	"testing"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// An id of another merchant's thing is as unknown as one that was never given out.
func TestThingsOfAnotherMerchantAreNotFound(t *testing.T) {
	w := newWorld(t)
	own, other := w.site("Own"), w.site("Other")
	ctx := t.Context()
	for name, try := range map[string]func(id string) error{
		"retire key": func(id string) error {
			return justErr(w.RetireKey(ctx, local(), RetireKey{MerchantID: own.ID, KeyID: id}))
		},
		"disable user": func(id string) error { return justErr(w.DisableUser(ctx, local(), own.ID, id)) },
		"enable user":  func(id string) error { return justErr(w.EnableUser(ctx, local(), own.ID, id)) },
		"set role":     func(id string) error { return justErr(w.SetUserRole(ctx, local(), SetUserRole{own.ID, id, RoleOwner})) },
		"remove by id": func(id string) error {
			return justErr(w.RemoveAllowlistEntry(ctx, local(), RemoveAllowlistEntry{MerchantID: own.ID, EntryID: id}))
		},
		"remove by cidr": func(id string) error {
			return justErr(w.RemoveAllowlistEntry(ctx, local(), RemoveAllowlistEntry{MerchantID: own.ID, CIDR: id}))
		},
		"withdraw": func(id string) error {
			return justErr(w.WithdrawAllowlistRequest(ctx, local(), DecideAllowlistRequest{MerchantID: own.ID, RequestID: id}))
		},
		"approve": func(id string) error {
			return justErr(w.ApproveAllowlistRequest(ctx, local(), DecideAllowlistRequest{MerchantID: own.ID, RequestID: id}))
		},
	} {
		theirs := map[string]string{
			"withdraw": other.wish.ID, "approve": other.wish.ID,
			"retire key": other.live.ID, "disable user": other.member.ID, "enable user": other.disabled.ID,
			"set role": other.member.ID, "remove by id": other.entry.ID, "remove by cidr": "203.0.113.0/24",
		}[name]
		t.Run(name, func(t *testing.T) {
			if name == "remove by cidr" {
				ok(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{MerchantID: other.ID, CIDR: theirs, Note: "theirs"}))(t)
			}
			foreign := wants(t, try(theirs), CodeNotFound)
			unknown := "192.0.2.0/24"
			if name != "remove by cidr" {
				unknown = theirs[:len(theirs)-1] + "0"
			}
			never := wants(t, try(unknown), CodeNotFound)
			if strings.ReplaceAll(foreign.Error(), theirs, unknown) != never.Error() {
				t.Errorf("a foreign id answers %q, an unknown one %q", foreign, never)
			}
		})
	}
}
