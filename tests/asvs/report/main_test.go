package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// everything is a proof of each requirement but those left out.
func everything(but string) string {
	var b strings.Builder
	for _, r := range requirements() {
		if r.id != but {
			b.WriteString(r.id + "\tportal TestX\n")
		}
	}
	return b.String()
}

func TestReport(t *testing.T) {
	for name, c := range map[string]struct{ proofs, document, want string }{
		"all proven":             {everything(""), "", ""},
		"one without a test":     {everything("6.5.1"), "", "no test that passed proves 6.5.1"},
		"one that was not asked": {everything("") + "1.1.1\tportal TestY\n", "", "not among the requirements"},
		"another document":       {everything(""), "old", "is not what the tests prove now"},
	} {
		t.Run(name, func(t *testing.T) {
			proofs, document := filepath.Join(t.TempDir(), "proofs"), filepath.Join(t.TempDir(), "ASVS.md")
			write(t, proofs, c.proofs)
			if c.document == "" {
				if err := run(proofs, document, true); err != nil && c.want == "" {
					t.Fatal(err)
				}
			} else {
				write(t, document, c.document)
			}
			err := run(proofs, document, false)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestReportNamesTestsAndDeviations(t *testing.T) {
	proven, err := parse(everything("") + "6.5.1\tcontrolplane/account TestOnce\n6.5.1\tcontrolplane/account TestOnce\n")
	if err != nil {
		t.Fatal(err)
	}
	text := render(proven)
	for _, want := range []string{"| `account.TestOnce`, `portal.TestX` |", "| 6.2.10 [¹](#deviations) |", "- **6.2.10** ", "\n## V6 Authentication\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the document has no %q", want)
		}
	}
}

// TestRequirementsAreThoseOfThePlan counts what was promised: one that is dropped is
// a promise broken.
func TestRequirementsAreThoseOfThePlan(t *testing.T) {
	count := map[string]int{}
	for _, r := range requirements() {
		chapter, _, _ := strings.Cut(r.id, ".")
		count[chapter]++
		if r.what == "" || chapters()[chapter] == "" {
			t.Errorf("%q has no text, or its chapter none", r.id)
		}
	}
	for chapter, want := range map[string]int{"3": 22, "4": 4, "6": 37, "7": 17, "8": 8, "14": 4, "16": 9} {
		if count[chapter] != want {
			t.Errorf("V%s has %d requirements, want %d", chapter, count[chapter], want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
