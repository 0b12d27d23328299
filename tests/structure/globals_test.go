package structure

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// TestNoMutableGlobals allows at a package's top level: interface guards, sentinel
// errors, embedded files, Caddy's pool, and unexported values that are made where
// they are declared and written nowhere.
func TestNoMutableGlobals(t *testing.T) {
	const reason = "state that no one was given is shared by tests, config reloads and requests alike"
	byFolder := map[string][]source{}
	for _, s := range sources(t) {
		if !s.test() {
			byFolder[s.folder()] = append(byFolder[s.folder()], s)
		}
	}
	for _, files := range byFolder {
		for _, g := range globals(files) {
			if why := g.objection(files); why != "" {
				t.Errorf("%s:%d: package variable %s: %s; because: %s", g.in.path, g.in.line(g.name.Pos()), g.name.Name, why, reason)
			}
		}
	}
}

type global struct {
	in       source
	name     *ast.Ident
	value    ast.Expr // nil when it is given none
	embedded bool     // by a go:embed line
}

func globals(files []source) []global {
	var all []global
	for _, s := range files {
		for _, decl := range s.file.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					g := global{in: s, name: name, embedded: embeds(d.Doc) || embeds(v.Doc)}
					if i < len(v.Values) {
						g.value = v.Values[i]
					}
					if name.Name != "_" {
						all = append(all, g)
					}
				}
			}
		}
	}
	return all
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func (g global) objection(files []source) string {
	name := g.name.Name
	switch {
	case g.embedded:
	case g.value == nil:
		return "it is declared to be filled in later"
	case strings.HasPrefix(name, "Err") || strings.HasPrefix(name, "err"):
	case ast.IsExported(name):
		return "it is exported, so anyone can assign it"
	case !constant(g.value):
		return "its value is not one that is known to stay as it is made"
	}
	if where := written(name, files); where != "" {
		return "it is written at " + where
	}
	return ""
}

// constant reports whether an expression makes a value that nothing changes unless
// the package assigns it.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CallExpr:
		makers := []string{
			"regexp.MustCompile", "strings.NewReplacer", "crc32.MakeTable", "errors.New", "fmt.Errorf",
			"base32.NewEncoding", "base64.NewEncoding", "netip.MustParsePrefix", "netip.MustParseAddr", "big.NewInt",
			"caddy.NewUsagePool", // the one mutable value of the program: it survives config reloads
		}
		name := text(e.Fun)
		if slices.Contains(makers, name) || strings.HasPrefix(name, "[]") {
			return true
		}
		// a chain on one of them: base32.NewEncoding(…).WithPadding(…)
		sel, ok := e.Fun.(*ast.SelectorExpr)
		return ok && constant(sel.X) && slices.Contains([]string{"WithPadding", "Strict"}, sel.Sel.Name)
	case *ast.CompositeLit:
		return !strings.HasPrefix(text(e.Type), "sync.") && !strings.HasPrefix(text(e.Type), "atomic.")
	case *ast.SelectorExpr:
		return strings.HasSuffix(e.Sel.Name, "Encoding") // base64.RawStdEncoding
	case *ast.BasicLit, *ast.BinaryExpr, *ast.FuncLit:
		return true
	}
	return false
}

// written finds an assignment to the name, its elements or its address, in any file
// of the package. Shadowing is not resolved: a local of the same name that is
// written counts, and wants another name anyway.
func written(name string, files []source) string {
	for _, s := range files {
		var at token.Pos
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE && slices.ContainsFunc(n.Lhs, func(e ast.Expr) bool { return base(e) == name }) {
					at = n.Pos()
				}
			case *ast.IncDecStmt:
				if base(n.X) == name {
					at = n.Pos()
				}
			case *ast.UnaryExpr:
				if n.Op == token.AND && base(n.X) == name {
					at = n.Pos()
				}
			}
			return at == token.NoPos
		})
		if at != token.NoPos {
			return s.fset.Position(at).String()
		}
	}
	return ""
}

// base is the variable at the root of a.b[c].
func base(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.IndexExpr:
		return base(e.X)
	case *ast.SelectorExpr:
		return base(e.X)
	case *ast.ParenExpr:
		return base(e.X)
	case *ast.StarExpr:
		return base(e.X)
	}
	return ""
}

// text spells the names in a type or a called function.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return text(e.X) + "." + e.Sel.Name
	case *ast.ArrayType:
		return "[]" + text(e.Elt)
	case *ast.StarExpr:
		return "*" + text(e.X)
	}
	return ""
}
