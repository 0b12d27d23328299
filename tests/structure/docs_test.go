package structure

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestLinksInDocumentsResolve(t *testing.T) {
	const reason = "a reader with an incident follows a link once"
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	err := walk(".md", func(file string, text []byte) error {
		for _, m := range link.FindAllSubmatch(withoutCode(text), -1) {
			target := string(m[1])
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if why := broken(file, target); why != "" {
				t.Errorf("%s links to %s: %s; because: %s", file, target, why, reason)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func broken(from, target string) string {
	name, anchor, _ := strings.Cut(target, "#")
	file := from
	if name != "" {
		file = path.Join(path.Dir(from), name)
	}
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	if err != nil {
		if info, dirErr := os.Stat(filepath.Join(root, filepath.FromSlash(file))); dirErr == nil && info.IsDir() && anchor == "" {
			return ""
		}
		return "there is no such file"
	}
	if anchor != "" && !anchors(text)[anchor] {
		return "there is no such heading"
	}
	return ""
}

// anchors gives the headings the names that code hosts give them.
func anchors(text []byte) map[string]bool {
	heading := regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	all := map[string]bool{}
	for _, m := range heading.FindAllSubmatch(withoutFences(text), -1) {
		name := dropped.ReplaceAllString(strings.ToLower(string(m[1])), "")
		all[strings.ReplaceAll(name, " ", "-")] = true
	}
	return all
}

// withoutFences blanks code blocks, in which a # starts a comment.
func withoutFences(text []byte) []byte {
	return regexp.MustCompile("(?ms)^```.*?^```").ReplaceAll(text, nil)
}

func withoutCode(text []byte) []byte {
	return regexp.MustCompile("`[^`\n]*`").ReplaceAll(withoutFences(text), nil)
}

func TestNoPathOfOneMachine(t *testing.T) {
	const reason = "it works on one machine only, and tells strangers about it"
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	homes := regexp.MustCompile(`/(home|Users)/[a-z][a-z0-9._-]*/`)
	err = walk("", func(file string, text []byte) error {
		if bytes.IndexByte(text, 0) >= 0 {
			return nil // a binary
		}
		if at := bytes.Index(text, []byte(here)); at >= 0 && len(here) > 1 {
			t.Errorf("%s:%d names %s; because: %s", file, 1+bytes.Count(text[:at], []byte("\n")), here, reason)
		}
		if found := homes.Find(text); found != nil {
			t.Errorf("%s names %s; because: %s", file, found, reason)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
