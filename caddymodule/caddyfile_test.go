package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files of testdata/caddyfile hold a Caddyfile, a line of ten dashes, and
// what it adapts to: JSON, or the error after "error: ".
const goldenSeparator = "----------\n"

var update = flag.Bool("update", false, "write the golden files anew")

func TestCaddyfilesAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/caddyfile/*.caddyfiletest")
	check(t, err)
	if len(files) < 20 {
		t.Errorf("only %d files", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			check(t, err)
			input, want, ok := strings.Cut(string(text), goldenSeparator)
			if !ok && !*update {
				t.Fatalf("%s has no line of ten dashes", file)
			}
			got := adapted(t, input)
			if *update {
				check(t, os.WriteFile(file, []byte(input+goldenSeparator+got), 0o644))
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func adapted(t *testing.T, input string) string {
	t.Helper()
	out, err := adapt(input)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var pretty bytes.Buffer
	check(t, json.Indent(&pretty, out, "", "\t"))
	return pretty.String() + "\n"
}
