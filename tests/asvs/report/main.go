// Command report compares the requirements of OWASP ASVS 5.0.0 that the portal
// promises to meet with what a run of the tests has proven, and keeps docs/ASVS.md.
// A requirement without a passing test is an error, whatever the document says.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

func main() {
	update := flag.Bool("update", false, "write DOCUMENT anew instead of comparing")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: report [-update] PROOFS DOCUMENT\n\nPROOFS is the file that a run of all tests wrote to, named by ASVS_PROOFS.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Arg(1), *update); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(proofs, document string, update bool) error {
	text, err := os.ReadFile(proofs)
	if err != nil {
		return fmt.Errorf("%w; run the tests with ASVS_PROOFS set", err)
	}
	proven, err := parse(string(text))
	if err != nil {
		return err
	}
	if missing := unproven(proven); len(missing) > 0 {
		return fmt.Errorf("no test that passed proves %s; call asvs.Covers in one that does", strings.Join(missing, ", "))
	}
	want := render(proven)
	if update {
		return os.WriteFile(document, []byte(want), 0o644)
	}
	have, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	if string(have) != want {
		return fmt.Errorf("%s is not what the tests prove now; after a run of all tests: go run ./tests/asvs/report -update %s %s", document, proofs, document)
	}
	return nil
}

// parse returns the tests that prove each id, in order.
func parse(text string) (map[string][]string, error) {
	tests := map[string]map[string]bool{}
	for _, r := range requirements() {
		tests[r.id] = map[string]bool{}
	}
	for line := range strings.Lines(text) {
		id, test, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if tests[id] == nil {
			return nil, fmt.Errorf("%q proves %q, which is not among the requirements", test, id)
		}
		tests[id][test] = true
	}
	proven := map[string][]string{}
	for id, t := range tests {
		proven[id] = slices.Sorted(maps.Keys(t))
	}
	return proven, nil
}

func unproven(proven map[string][]string) (ids []string) {
	for _, r := range requirements() {
		if len(proven[r.id]) == 0 {
			ids = append(ids, r.id)
		}
	}
	return ids
}

func render(proven map[string][]string) string {
	var b strings.Builder
	b.WriteString(introduction)
	chapter := ""
	for _, r := range requirements() {
		if n, _, _ := strings.Cut(r.id, "."); n != chapter {
			chapter = n
			fmt.Fprintf(&b, "\n## V%s %s\n\n| id | what | proven by |\n|---|---|---|\n", n, chapters()[n])
		}
		mark := ""
		if r.deviation != "" {
			mark = " [¹](#deviations)"
		}
		fmt.Fprintf(&b, "| %s%s | %s | %s |\n", r.id, mark, r.what, cite(proven[r.id]))
	}
	b.WriteString("\n## Deviations\n\n")
	for _, r := range requirements() {
		if r.deviation != "" {
			fmt.Fprintf(&b, "- **%s** %s\n", r.id, r.deviation)
		}
	}
	return b.String()
}

// cite names tests, each with the last part of its folder.
func cite(tests []string) string {
	var out []string
	for _, t := range tests {
		folder, name, _ := strings.Cut(t, " ")
		out = append(out, fmt.Sprintf("`%s.%s`", path.Base(folder), name))
	}
	return strings.Join(out, ", ")
}

const introduction = `# OWASP ASVS 5.0.0

<!-- Made from a run of the tests by tests/asvs/report. -->

The requirements of the [Application Security Verification Standard](https://github.com/OWASP/ASVS/tree/v5.0.0) that the portal is held to, in our words,
and the tests that prove them. ` + "`make -f xcaddy.mk test`" + ` fails when one of them is left without a test that passes. ¹ marks a deviation, with its reason
[below](#deviations); the tests then prove what is done instead.
`
