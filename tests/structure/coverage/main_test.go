package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGate(t *testing.T) {
	const gate, store = module + "caddymodule/gate/a.go", module + "controlplane/store/a.go"
	for name, c := range map[string]struct{ profile, want string }{
		"enough":                         {gate + ":1.1,2.2 95 1\n" + gate + ":3.1,4.2 5 0\n" + store + ":1.1,2.2 4 1\n" + store + ":3.1,4.2 1 0\n", ""},
		"a strict package below 95":      {gate + ":1.1,2.2 94 1\n" + gate + ":3.1,4.2 6 0\n", "caddymodule/gate (94.0 % of 95 %)"},
		"another package below 80":       {store + ":1.1,2.2 79 1\n" + store + ":3.1,4.2 21 0\n", "controlplane/store (79.0 % of 80 %)"},
		"reached by one of two binaries": {gate + ":1.1,2.2 9 0\n" + gate + ":1.1,2.2 9 3\n", ""},
		"not counted":                    {module + "tests/bench/a.go:1.1,2.2 9 0\n" + gate + ":1.1,2.2 9 3\n", ""},
		"empty":                          {"", "no test ran"},
		"damaged":                        {"what is this\n", "not a line of a coverage profile"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "cover.out")
			if err := os.WriteFile(file, []byte("mode: set\n"+c.profile), 0o600); err != nil {
				t.Fatal(err)
			}
			err := run(file, t.Output())
			if c.want == "" && err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
