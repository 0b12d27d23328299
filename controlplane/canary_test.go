package controlplane_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	. "github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
)

// Secrets that were issued are nowhere: not in the database, its write-ahead log
// or the key files, not in the audit trail, not in what listings return.
func TestIssuedSecretsAreNowhereInTheClear(t *testing.T) {
	w := newWorld(t)
	w.rebuild(func(p *Parts) { p.Hasher = account.NewHasher(account.HasherConfig{}) })
	ctx, m := t.Context(), w.merchant("Shop")
	canaries := map[string]string{}
	for _, env := range []Environment{Live, Test} {
		canaries[string(env)+" secret"] = w.key(m.ID, env).Secret.Reveal()
	}
	canaries["rotated secret"] = ok(w.RotateKey(ctx, local(), RotateKey{MerchantID: m.ID, Environment: Live, Overlap: OverlapDay}))(t).Secret.Reveal()
	canaries["initial password"] = ok(w.CreateUser(ctx, local(), CreateUser{m.ID, "ann", "", RoleOwner}))(t).InitialPassword.Reveal()
	canaries["bootstrap password"] = ok(w.BootstrapStaff(ctx, local(), BootstrapStaff{Username: "first"}))(t).InitialPassword.Reveal()
	absent := func(where, text string) {
		t.Helper()
		for name, c := range canaries {
			// A part is enough to shorten a search for the rest.
			if strings.Contains(text, c) || strings.Contains(text, c[len(c)-16:]) {
				t.Errorf("the %s is in %s", name, where)
			}
		}
	}
	absent("the files, with the log", w.onDisk())
	ok(w.RotateDataKeys(ctx, local(), w.ring))(t)
	ok(w.RotateRoot(ctx, local(), w.ring, ""))(t)
	absent("the files, after rotations", w.onDisk())
	for name, v := range map[string]any{
		"the audit trail": ok(w.ListAudit(ctx, local(), AuditFilter{}))(t),
		"the keys":        ok(w.ListKeys(ctx, local(), KeyFilter{MerchantID: m.ID}))(t),
		"the users":       ok(w.ListUsers(ctx, local(), UserFilter{MerchantID: m.ID}))(t),
	} {
		absent(name, string(ok(json.Marshal(v))(t))+fmt.Sprintf("%v %+v %#v", v, v, v))
		if text := string(ok(json.Marshal(v))(t)); strings.Contains(text, "argon2") || strings.Contains(text, "$") {
			t.Errorf("a hash is in %s", name)
		}
	}
	w.restart()
	absent("the files, after a restart", w.onDisk())
	if !strings.Contains(w.onDisk(), "$argon2id$") {
		t.Error("the search does not reach the database")
	}
}
