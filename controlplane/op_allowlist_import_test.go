package controlplane_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

func TestImportSaysLineByLineWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	w.rebuild(func(p *Parts) { p.Rules.AllowPrivateRanges = false })
	m, ctx := w.merchant("Shop"), t.Context()
	ok(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{m.ID, "8.8.8.0/24", "there"}))(t)
	text := strings.Join([]string{
		"# our servers", "", "9.9.9.0/24 Bangkok, 1st floor", "9.9.8.1\tPhuket", "1.1.1.1; cloud ", "8.8.8.0/24,again",
		"9.9.9.0/24 twice", "9.9.9.1/24 host bits", "10.0.0.0/8 private", "shop.example", "2.2.2.2", "2.2.2.3 " + strings.Repeat("x", 201),
	}, "\r\n")
	in := ImportAllowlist{MerchantID: m.ID, Text: text}
	got := ok(w.PreviewAllowlistImport(ctx, local(), in))(t)
	var lines []string
	for _, l := range got.Lines {
		verdict := "add " + l.Prefix.String() + " " + l.Note
		if l.Present {
			verdict = "present"
		}
		if l.Problem != nil {
			verdict = l.Problem.Field + " " + l.Problem.Rule
		}
		lines = append(lines, fmt.Sprintf("%d %s", l.Number, verdict))
	}
	want := []string{
		"3 add 9.9.9.0/24 Bangkok, 1st floor", "4 add 9.9.8.1/32 Phuket", "5 add 1.1.1.1/32 cloud", "6 present",
		"7 cidr twice", "8 cidr host_bits", "9 cidr not_public", "10 cidr cidr", "11 note required", "12 note note",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") || got.Added != 3 || got.Wrong != 6 {
		t.Errorf("got %d, %d and\n%s", got.Added, got.Wrong, strings.Join(lines, "\n"))
	}
	e := wants(t, justErr(w.ImportAllowlist(ctx, local(), in)), CodeInvalid)
	if e.Fields[0].Field != "text" || len(w.entries(m.ID)) != 1 {
		t.Errorf("%+v", e)
	}
}

func TestImportAddsAllOrNone(t *testing.T) {
	w := newWorld(t)
	m, ctx := w.merchant("Shop"), t.Context()
	ok(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{m.ID, "192.0.2.0", "there"}))(t)
	var text strings.Builder
	for i := range 99 {
		fmt.Fprintf(&text, "192.0.2.%d\n", i+1)
	}
	revision := w.revision()
	full := ok(w.ImportAllowlist(ctx, local(), ImportAllowlist{m.ID, text.String() + "192.0.2.0\n", "office"}))(t)
	if full.Added != 99 || len(w.entries(m.ID)) != MaxAllowlistEntries || w.revision() != revision+1 {
		t.Errorf("%d added, %d there", full.Added, len(w.entries(m.ID)))
	}
	if e := w.lastAudit(); e.Operation != OpAllowlistImport || !strings.Contains(string(e.Diff), `"cidr 099":{"to":"192.0.2.99/32"}`) {
		t.Errorf("%+v", e)
	}
	for text, code := range map[string]Code{"192.0.2.200 one more": CodeLimit, "192.0.2.1 there": CodeInvalid, "# nothing": CodeInvalid, "": CodeInvalid} {
		wants(t, justErr(w.ImportAllowlist(ctx, local(), ImportAllowlist{m.ID, text, ""})), code)
	}
	endless := ok(w.PreviewAllowlistImport(ctx, local(), ImportAllowlist{m.ID, strings.Repeat("x\n", 1000), ""}))(t)
	if n := len(endless.Lines); n != 501 || endless.Lines[500].Problem.Rule != "too_long" {
		t.Errorf("%d lines", n)
	}
}

// FuzzImport holds that no text upsets the parser, that every line is either right and
// canonical or says what is wrong, and that what is repeated of it is bounded text.
func FuzzImport(f *testing.F) {
	for _, text := range []string{"192.0.2.1 a", "192.0.2.0/24,b\n# c\n\n::1;d", "\xff\xfe", "1.2.3.4\t", "::ffff:1.2.3.4 x", strings.Repeat("9", 500), "fe80::1%eth0 z", "1.1.1.1 \u202e"} {
		f.Add(text, "note")
	}
	w := newWorld(f)
	m := w.merchant("Shop")
	f.Fuzz(func(t *testing.T, text, note string) {
		got, err := w.PreviewAllowlistImport(t.Context(), local(), ImportAllowlist{MerchantID: m.ID, Text: text, Note: note})
		if err != nil {
			wants(t, err, CodeInvalid)
			return
		}
		for _, l := range got.Lines {
			if !utf8.ValidString(l.Text) || len(l.Text) > 130 || l.Number < 1 {
				t.Errorf("%+v", l)
			}
			if l.Problem == nil && (l.Prefix != l.Prefix.Masked() || l.Note == "") || l.Problem != nil && l.Problem.Message == "" {
				t.Errorf("%+v", l)
			}
		}
		if n := len(got.Lines); got.Added+got.Wrong > n {
			t.Errorf("%d + %d of %d", got.Added, got.Wrong, n)
		}
	})
}
