package structure

import (
	"bytes"
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	maxFileLines     = 500
	maxFunctionLines = 80
	maxP90Lines      = 40
	maxMedianLines   = 12
)

func TestEveryPackageSaysItsJob(t *testing.T) {
	const reason = "whoever opens the folder must learn in one place what it is for, and what it refuses to do"
	docs := map[string][]string{}
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		if _, ok := docs[s.folder()]; !ok {
			docs[s.folder()] = nil
		}
		if s.file.Doc != nil {
			docs[s.folder()] = append(docs[s.folder()], s.file.Doc.Text())
		}
	}
	for folder, texts := range docs {
		if len(texts) != 1 {
			t.Errorf("%s has %d package comments, want 1; because: %s", folder, len(texts), reason)
			continue
		}
		text := texts[0]
		if !strings.HasPrefix(text, "Package ") && !strings.HasPrefix(text, "Command ") || len(strings.Fields(text)) < 8 {
			t.Errorf("%s: the package comment starts with \"Package\" or \"Command\" and says the job, got %q; because: %s", folder, text, reason)
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	const reason = "a file has one role; past this length it has two"
	for _, s := range sources(t) {
		if n := bytes.Count(s.text, []byte("\n")); n > maxFileLines {
			t.Errorf("%s has %d lines, at most %d; because: %s", s.path, n, maxFileLines, reason)
		}
	}
}

func TestFunctionsAreShort(t *testing.T) {
	const reason = "a reviewer must hold a whole function in mind"
	var lengths []int
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			n := s.lines(f)
			lengths = append(lengths, n)
			if n > maxFunctionLines {
				t.Errorf("%s:%d: %s has %d lines, at most %d; because: %s", s.path, s.line(f.Pos()), f.Name.Name, n, maxFunctionLines, reason)
			}
		}
	}
	slices.Sort(lengths)
	if median := lengths[len(lengths)/2]; median > maxMedianLines {
		t.Errorf("the median function has %d lines, at most %d; because: %s", median, maxMedianLines, reason)
	}
	if p90 := lengths[len(lengths)*9/10]; p90 > maxP90Lines {
		t.Errorf("one function in ten has %d lines or more, at most %d; because: %s", p90, maxP90Lines, reason)
	}
}

func TestInitOnlyRegisters(t *testing.T) {
	const reason = "what runs before main cannot be configured, tested or refused"
	for _, s := range sources(t) {
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || f.Name.Name != "init" {
				continue
			}
			for _, stmt := range f.Body.List {
				if !registers(stmt) {
					t.Errorf("%s:%d: init does more than register; because: %s", s.path, s.line(stmt.Pos()), reason)
				}
			}
		}
	}
}

// registers recognises caddy.RegisterModule(…) and its relatives.
func registers(stmt ast.Stmt) bool {
	expr, ok := stmt.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := expr.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && strings.HasPrefix(sel.Sel.Name, "Register")
}

func TestLinterExceptionsHaveReasons(t *testing.T) {
	const reason = "an exception without a reason cannot be judged, and so never ends"
	good := regexp.MustCompile(`^//nolint:[a-z0-9,]+ // \S+ \S+`)
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			for _, c := range group.List {
				if strings.HasPrefix(strings.ReplaceAll(c.Text, " ", ""), "//nolint") && !good.MatchString(c.Text) {
					t.Errorf("%s:%d: want //nolint:linter // reason, got %q; because: %s", s.path, s.line(c.Pos()), c.Text, reason)
				}
			}
		}
	}
}

func TestNothingIsUnfinished(t *testing.T) {
	const reason = "a note to self looks like finished work to everyone else"
	unfinished := regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
	for _, s := range sources(t) {
		if s.path == "tests/structure/source_test.go" {
			continue // names what it looks for
		}
		if at := unfinished.FindIndex(s.text); at != nil {
			t.Errorf("%s:%d: found %q; because: %s", s.path, 1+bytes.Count(s.text[:at[0]], []byte("\n")), s.text[at[0]:at[1]], reason)
		}
	}
}

// A property that skips a generated case has another *T, that of rapid.
func TestNoTestIsSkipped(t *testing.T) {
	const reason = "a skipped test looks like one that passed"
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch f := n.(type) {
			case *ast.FuncDecl:
				if f.Body != nil {
					reportSkips(t, s, f.Type, f.Body, reason)
				}
			case *ast.FuncLit:
				reportSkips(t, s, f.Type, f.Body, reason)
			}
			return true
		})
	}
}

func reportSkips(t *testing.T, s source, f *ast.FuncType, body *ast.BlockStmt, reason string) {
	t.Helper()
	for _, name := range testingParams(f) {
		ast.Inspect(body, func(n ast.Node) bool {
			if lit, ok := n.(*ast.FuncLit); ok && takes(lit.Type, name) {
				return false // another value of that name
			}
			sel, ok := n.(*ast.SelectorExpr)
			if ok && text(sel.X) == name && strings.HasPrefix(sel.Sel.Name, "Skip") {
				t.Errorf("%s:%d: %s.%s; because: %s", s.path, s.line(sel.Pos()), name, sel.Sel.Name, reason)
			}
			return true
		})
	}
}

func testingParams(f *ast.FuncType) (names []string) {
	for _, field := range f.Params.List {
		if slices.Contains([]string{"*testing.T", "*testing.B", "*testing.F", "testing.TB"}, text(field.Type)) {
			for _, n := range field.Names {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

func takes(f *ast.FuncType, name string) bool {
	return slices.ContainsFunc(f.Params.List, func(field *ast.Field) bool {
		return slices.ContainsFunc(field.Names, func(n *ast.Ident) bool { return n.Name == name })
	})
}
