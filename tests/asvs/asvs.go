// Package asvs lets a test say which requirements of OWASP ASVS 5.0.0 it proves. It
// checks nothing itself: the command in report compares what was proven with what
// was promised.
package asvs

import (
	"os"
	"path"
	"runtime"
	"strings"
	"testing"
)

// Proofs is the environment variable that names the file to which proofs are
// added, one a line: the id, a tab, and the test. Without it nothing is written.
const Proofs = "ASVS_PROOFS"

// Covers says that the test proves these requirements, such as "6.5.1". Call it
// first: it counts when the test has passed (none is skipped: tests/structure).
func Covers(t testing.TB, ids ...string) {
	t.Helper()
	file := os.Getenv(Proofs)
	if file == "" {
		return
	}
	test := folder() + " " + t.Name()
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		var lines strings.Builder
		for _, id := range ids {
			lines.WriteString(id + "\t" + test + "\n")
		}
		add(t, file, lines.String())
	})
}

// folder is that of the test's package: the caller of Covers.
func folder() string {
	pc, _, _, _ := runtime.Caller(2)
	dir, file := path.Split(runtime.FuncForPC(pc).Name())
	pkg, _, _ := strings.Cut(file, ".")
	return strings.TrimPrefix(dir+pkg, "github.com/unknownpay/merchant-gateway/")
}

// add writes all at once: test binaries of other packages add to the file too.
func add(t testing.TB, file, lines string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(lines)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		t.Fatal(err)
	}
}
