package controlplane_test

import (
	"strings"
	"testing"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

func TestNamesThatAreAccepted(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{
		"ab", "Café", "ร้านกาแฟ", "株式会社", "A & B <Ltd>", "O'Neill", strings.Repeat("x", 100), strings.Repeat("ก", 100), "a  b",
	} {
		if m := w.merchant(name); m.Name != name {
			t.Errorf("%q became %q", name, m.Name)
		}
	}
}

func TestNamesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	for why, name := range map[string]string{
		"empty": "", "one character": "a", "one wide character": "ก", "only spaces": "   ", "space before": " ab", "space after": "ab ",
		"no-break space around": "\u00a0ab", "too long": strings.Repeat("x", 101), "tab": "a\tb", "line break": "a\nb", "NUL": "a\x00b",
		"escape": "a\x1b[31mb", "zero width space": "a\u200bb", "right to left override": "a\u202eb", "byte order mark": "\ufeffab",
		"not UTF-8": "ab\xff", "soft hyphen": "a\u00adb", "line separator": "a\u2028b", "private use": "a\ue000b",
	} {
		for op, err := range map[string]error{
			"create": justErr(w.CreateMerchant(t.Context(), local(), CreateMerchant{Name: name})),
			"rename": justErr(w.RenameMerchant(t.Context(), local(), RenameMerchant{MerchantID: m.ID, Name: name})),
		} {
			if e := wants(t, err, CodeInvalid); len(e.Fields) != 1 || e.Fields[0].Field != "name" {
				t.Errorf("%s %s: %+v", op, why, e)
			}
		}
	}
}

func TestNotesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	add := func(note string) error {
		return justErr(w.AddAllowlistEntry(t.Context(), local(), AddAllowlistEntry{m.ID, "8.8.8.8", note}))
	}
	for why, note := range map[string]string{
		"missing": "", "space": " ", "around": " x", "too long": strings.Repeat("x", 201), "two lines": "a\nb", "hidden": "a\u200b",
	} {
		if e := wants(t, add(note), CodeInvalid); e.Fields[0].Field != "note" {
			t.Errorf("%s: %+v", why, e)
		}
	}
	if err := add(strings.Repeat("ก", 200)); err != nil {
		t.Errorf("200 characters of any script: %v", err)
	}
}

func TestUsernamesAndMailAddresses(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	create := func(username, email string, role Role) error {
		return justErr(w.CreateUser(t.Context(), local(), CreateUser{m.ID, username, email, role}))
	}
	for _, username := range []string{"abc", "a.b-c_d", "ann@shop.example", "a+b", "0x0", strings.Repeat("a", 64)} {
		if err := create(username, "", RoleOwner); err != nil {
			t.Errorf("%q: %v", username, err)
		}
	}
	for _, username := range []string{
		"", "ab", ".abc", "-abc", "@abc", "a b", "a/b", "a\x00b", "ann\n", "ünn", "аnn" /* Cyrillic */, "ann'--", "a\u200bbc", strings.Repeat("a", 65), "ａｎｎ",
	} {
		err := create(username, "", RoleOwner)
		if strings.TrimSpace(username) == "ann" {
			continue // spaces around are not part of the name
		}
		if e := wants(t, err, CodeInvalid); e.Fields[0].Field != "username" {
			t.Errorf("%q: %+v", username, e)
		}
	}
	for _, email := range []string{
		"ann", "ann@", "@shop.example", "ann@shop.example\r\nBcc: x@y.example", "Ann <ann@shop.example>", "a b@shop.example",
		"\"a\r\n b\"@shop.example", "ann@shop.example,bob@shop.example", strings.Repeat("a", 250) + "@b.example", "änn@shop.example",
	} {
		if e := wants(t, create("someone", email, RoleOwner), CodeInvalid); e.Fields[0].Field != "email" {
			t.Errorf("%q: %+v", email, e)
		}
	}
	for _, role := range []Role{"", "Owner", "root", RoleLocal, RolePlatformAdmin} {
		if e := wants(t, create("someone", "", role), CodeInvalid); e.Fields[0].Field != "role" {
			t.Errorf("%q: %+v", role, e)
		}
	}
}

func TestChoicesThatAreNotOnOffer(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	ctx := t.Context()
	for name, err := range map[string]error{
		"environment": justErr(w.IssueKey(ctx, local(), IssueKey{s.ID, "staging"})),
		"overlap":     justErr(w.RotateKey(ctx, local(), RotateKey{MerchantID: s.ID, Environment: Live, Overlap: Overlap(1)})),
		"after":       justErr(w.RetireKey(ctx, local(), RetireKey{s.ID, s.live.ID, -OverlapHour})),
		"key_id":      justErr(w.RetireKey(ctx, local(), RetireKey{MerchantID: s.ID})),
		"user_id":     justErr(w.SetUserRole(ctx, local(), SetUserRole{s.ID, "", RoleOwner})),
		"outcome":     justErr(w.ListAudit(ctx, local(), AuditFilter{Outcome: "maybe"})),
		"before":      justErr(w.ListAudit(ctx, local(), AuditFilter{Before: -1})),
		"limit":       justErr(w.ListAudit(ctx, local(), AuditFilter{Limit: 1001})),
		"cidr":        justErr(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{s.ID, "", "note"})),
		"ip":          justErr(w.CheckIP(ctx, local(), CheckIP{MerchantID: s.ID})),
		"username":    justErr(w.BootstrapStaff(ctx, local(), BootstrapStaff{Username: "a b"})),
	} {
		e := wants(t, err, CodeInvalid)
		if len(e.Fields) != 1 || e.Fields[0].Field != name || e.Fields[0].Message == "" || strings.Contains(e.Fields[0].Message, "breaks the rule") {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// One round trip tells a form all that is wrong with it.
func TestAllBrokenRulesAreNamedAtOnce(t *testing.T) {
	w := newWorld(t)
	err := justErr(w.CreateUser(t.Context(), local(), CreateUser{MerchantID: "", Username: "", Email: "x", Role: "x"}))
	if e := wants(t, err, CodeInvalid); len(e.Fields) != 4 {
		t.Errorf("%d fields: %+v", len(e.Fields), e.Fields)
	}
}

func TestRefusedInputIsNotRepeated(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	secret := w.key(s.ID, Test).Secret.Reveal()
	ctx := t.Context()
	for name, err := range map[string]error{
		"as name":     justErr(w.CreateMerchant(ctx, local(), CreateMerchant{Name: secret + "\n"})),
		"as username": justErr(w.CreateUser(ctx, local(), CreateUser{s.ID, secret + "/", "", RoleOwner})),
		"as key id":   justErr(w.RetireKey(ctx, local(), RetireKey{s.ID, secret, 0})),
		"as merchant": justErr(w.SuspendMerchant(ctx, local(), secret)),
		"as address":  justErr(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{s.ID, secret, "note"})),
		"as range":    justErr(w.RemoveAllowlistEntry(ctx, local(), RemoveAllowlistEntry{MerchantID: s.ID, CIDR: secret})),
		"as user":     justErr(w.DisableUser(ctx, local(), s.ID, secret)),
	} {
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error repeats the secret, or there is none: %v", name, err)
		}
	}
}
