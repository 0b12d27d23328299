package portal

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func testCatalogue(t *testing.T) *catalogue {
	t.Helper()
	files, err := fs.Sub(uiFiles, "ui")
	if err != nil {
		t.Fatal(err)
	}
	c, err := loadCatalogue(files, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLanguagesHaveTheSameTextsAndPlaceholders(t *testing.T) {
	c := testCatalogue(t)
	placeholder := regexp.MustCompile(`\{[^}]*\}`)
	fallback := c.languages[0]
	for _, l := range c.languages[1:] {
		for key, text := range fallback.texts {
			other, found := l.texts[key]
			if !found {
				t.Errorf("%s lacks %q", l.tag, key)
				continue
			}
			a, b := placeholder.FindAllString(text, -1), placeholder.FindAllString(other, -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("%q: %s has the placeholders %v, %s %v", key, fallback.tag, a, l.tag, b)
			}
		}
		for key := range l.texts {
			if _, found := fallback.texts[key]; !found {
				t.Errorf("%s has %q, which %s lacks", l.tag, key, fallback.tag)
			}
		}
	}
}

func TestThaiTextsAreThai(t *testing.T) {
	same := []string{"brand", "language.en", "language.th"}
	c := testCatalogue(t)
	for key, text := range c.byTag("th").texts {
		thai := strings.ContainsFunc(text, func(r rune) bool { return r >= 0x0e00 && r <= 0x0e7f })
		if !thai && !slices.Contains(same, key) && text == c.byTag("en").texts[key] && strings.Contains(text, " ") {
			t.Errorf("%q is not translated: %q", key, text)
		}
		if strings.TrimSpace(text) != text || text == "" || strings.Contains(text, "  ") {
			t.Errorf("%q has stray spaces: %q", key, text)
		}
	}
}

// sources are the string literals of the package's code and of its templates: a
// key is used if it is one of them, or begins with one that ends in a dot, or ends
// with one that begins with a dot.
func sources(t *testing.T) map[string]bool {
	t.Helper()
	literals := map[string]bool{}
	code, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range code {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					literals[s] = true
				}
			}
			return true
		})
	}
	for _, s := range templateStrings(t) {
		literals[s] = true
	}
	return literals
}

func templateFiles(t *testing.T) []string {
	t.Helper()
	shared, err := filepath.Glob("ui/html/*.html")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("ui/html/pages/*.html")
	if err != nil {
		t.Fatal(err)
	}
	return append(shared, pages...)
}

func templateStrings(t *testing.T) (found []string) {
	t.Helper()
	action, quoted := regexp.MustCompile(`\{\{[^}]*\}\}`), regexp.MustCompile(`"[^"]*"`)
	for _, name := range templateFiles(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range action.FindAllString(string(text), -1) {
			for _, q := range quoted.FindAllString(a, -1) {
				found = append(found, strings.Trim(q, `"`))
			}
		}
	}
	return found
}

func TestEveryTextIsUsed(t *testing.T) {
	literals := sources(t)
	titles := map[string]bool{}
	for _, name := range templateFiles(t) {
		titles[strings.TrimSuffix(filepath.Base(name), ".html")+".title"] = true
	}
	for _, key := range slices.Sorted(maps.Keys(testCatalogue(t).languages[0].texts)) {
		if literals[key] || titles[key] || inFamily(key, literals) {
			continue
		}
		t.Errorf("nothing shows %q", key)
	}
}

// inFamily reports whether a part of the key up to one of its dots is a literal,
// as in "role." + role.
func inFamily(key string, literals map[string]bool) bool {
	for i, r := range key {
		if r == '.' && literals[key[:i+1]] {
			return true
		}
	}
	return false
}

func TestEveryKeyInATemplateHasAText(t *testing.T) {
	c := testCatalogue(t)
	call := regexp.MustCompile(`\{\{(?:[^}]*\()?t "([^"]+)"`)
	for _, name := range templateFiles(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			if _, found := c.languages[0].texts[m[1]]; !found {
				t.Errorf("%s shows %q, which has no text", name, m[1])
			}
		}
	}
}

func TestEveryViewHasATitleAndEveryRouteInTheNavigationAName(t *testing.T) {
	texts := testCatalogue(t).languages[0].texts
	pages, err := filepath.Glob("ui/html/pages/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		view := strings.TrimSuffix(filepath.Base(p), ".html")
		if _, found := texts[view+".title"]; !found && view != "error" {
			t.Errorf("the view %s has no title", view)
		}
	}
	for _, r := range Routes() {
		if _, found := texts["nav."+r.Name]; r.Nav != "" && !found {
			t.Errorf("the route %s has no name in the navigation", r.Name)
		}
	}
}

func TestMissingTextIsAnError(t *testing.T) {
	l := testCatalogue(t).languages[0]
	if s, err := l.text("no.such.key"); err == nil {
		t.Errorf("got %q", s)
	}
	if s, err := l.text("account.codes.left", "n"); err == nil {
		t.Errorf("a placeholder without a value: %q", s)
	}
	if s, err := l.text("account.codes.left", "n", 3); err != nil || s != "3 of 10 not used" {
		t.Errorf("got %q, %v", s, err)
	}
}

func TestLanguageIsTheChosenOneOrTheBrowsers(t *testing.T) {
	c := testCatalogue(t)
	for _, test := range []struct{ chosen, accept, want string }{
		{"th", "en", "th"},
		{"", "th-TH,th;q=0.9,en;q=0.8", "th"},
		{"", "de-CH", "en"},
		{"xx", "th", "th"},
		{"", "", "en"},
		{"", strings.Repeat("th,", 100), "en"},
	} {
		if got := c.choose(test.chosen, test.accept).tag; got != test.want {
			t.Errorf("choose(%q, %q) = %s; want %s", test.chosen, test.accept, got, test.want)
		}
	}
}
