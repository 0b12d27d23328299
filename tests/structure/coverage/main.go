// Command coverage reads a Go coverage profile and fails when a package is covered
// less than its part in the product asks for. Code under tests and the command's
// main are not counted: they have no behaviour of their own to prove.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/unknownpay/merchant-gateway/"

const (
	strictPercent  = 95
	defaultPercent = 80
)

// strict names the packages in which an unproved line is a forged request, a
// replayed payment or a leaked secret.
func strict(folder string) bool {
	return slices.Contains([]string{"caddymodule/gate", "caddymodule/replay", "controlplane/signature", "controlplane/keyring"}, folder)
}

func counted(folder string) bool {
	return !strings.HasPrefix(folder, "tests/") && !strings.HasPrefix(folder, "clients/") && !strings.HasPrefix(folder, "caddymodule/cmd/")
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: coverage PROFILE (made by: go test -coverprofile)")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(file string, out io.Writer) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	byFolder, err := read(f)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return report(out, byFolder)
}

type tally struct{ covered, statements int }

// read adds up the statements of each folder. A block that several test binaries
// were built with stands in the profile once for each; it is covered if one of them
// reached it.
func read(r io.Reader) (map[string]tally, error) {
	statements, reached := map[string]int{}, map[string]bool{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		block, counts, _ := strings.Cut(lines.Text(), " ")
		if block == "mode:" {
			continue
		}
		size, hits, ok := strings.Cut(counts, " ")
		n, err := strconv.Atoi(size)
		if !ok || err != nil {
			return nil, fmt.Errorf("not a line of a coverage profile: %q", lines.Text())
		}
		statements[block] = n
		reached[block] = reached[block] || hits != "0"
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(statements) == 0 {
		return nil, errors.New("the profile is empty: no test ran")
	}
	byFolder := map[string]tally{}
	for block, n := range statements {
		name, _, _ := strings.Cut(block, ":")
		folder := strings.TrimPrefix(path.Dir(name), module)
		t := byFolder[folder]
		t.statements += n
		if reached[block] {
			t.covered += n
		}
		byFolder[folder] = t
	}
	return byFolder, nil
}

func report(out io.Writer, byFolder map[string]tally) error {
	var short []string
	for _, folder := range slices.Sorted(maps.Keys(byFolder)) {
		t := byFolder[folder]
		if !counted(folder) || t.statements == 0 {
			continue
		}
		want := defaultPercent
		if strict(folder) {
			want = strictPercent
		}
		have := 100 * float64(t.covered) / float64(t.statements)
		if _, err := fmt.Fprintf(out, "%6.1f %%  of %d %% wanted  %s\n", have, want, folder); err != nil {
			return err
		}
		if t.covered*100 < want*t.statements {
			short = append(short, fmt.Sprintf("%s (%.1f %% of %d %%)", folder, have, want))
		}
	}
	if short != nil {
		return fmt.Errorf("too little of these packages is covered by tests: %s; go tool cover -html=PROFILE shows the lines", strings.Join(short, ", "))
	}
	return nil
}
