package structure

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// rule forbids packages to depend on others.
type rule struct {
	name string
	// binds says which packages of this module, by folder, the rule is for.
	binds func(folder string) bool
	// forbids says which import paths they may not use.
	forbids func(importPath string) bool
	// direct looks at import lines only; otherwise the rule holds for the whole
	// dependency tree.
	direct bool
	reason string
}

func rules() []rule {
	return []rule{
		{
			name:    "only caddymodule reaches Caddy",
			binds:   not(under("caddymodule/cmd", "tests"), is("caddymodule")),
			forbids: prefix("github.com/caddyserver/"),
			reason:  "the domain, the gate and the signing package must be usable, testable and reviewable without a web server around them",
		},
		{
			name:    "nothing imports caddymodule but its command",
			binds:   not(under("caddymodule/cmd", "tests")),
			forbids: isModule("caddymodule"),
			reason:  "caddymodule wires everything together; a package that imports it back is a cycle of ideas even where Go allows it",
		},
		{
			name:    "the gate sees the domain and the signature scheme only",
			binds:   is("caddymodule/gate"),
			forbids: moduleExcept("controlplane", "controlplane/signature"),
			reason:  "a decision is a function of request facts, snapshot and clock",
		},
		{
			name:    "the gate reaches no database, logger or nonce store",
			binds:   is("caddymodule/gate"),
			forbids: anyOf(prefix("database/sql", "go.uber.org/zap", "github.com/mattn/", "github.com/jackc/", "github.com/redis/"), exactly("log", "log/slog")),
			direct:  true,
			reason:  "deciding does no I/O: what it needs is handed to it, what it decided is returned",
		},
		{
			name:    "the gate reaches no SQL driver by any way",
			binds:   is("caddymodule/gate"),
			forbids: prefix("database/sql", "github.com/mattn/", "github.com/jackc/"),
			reason:  "a request must never wait for a database",
		},
		{
			name:    "the nonce stores know no other package of this module",
			binds:   under("caddymodule/replay"),
			forbids: moduleExcept("caddymodule/replay"),
			reason:  "who asks and why is the gate's; a nonce store answers whether a pair was seen",
		},
		{
			name:    "the transport knows no other package of this module",
			binds:   under("caddymodule/roundtrip"),
			forbids: moduleExcept("caddymodule/roundtrip"),
			reason:  "it carries a request as any client would, so that it can be compared with http.Transport byte by byte",
		},
		{
			name:    "signature is a leaf on the standard library",
			binds:   is("controlplane/signature"),
			forbids: not(anyOf(standard, exactly("github.com/dunglas/httpsfv"), isModule("controlplane/signature"))),
			reason:  "merchants' own Go servers import it: it must not bring a database, a web server or a framework along",
		},
		{
			name:    "keyring is a leaf on the standard library",
			binds:   is("controlplane/keyring"),
			forbids: not(anyOf(standard, isModule("controlplane/keyring"))),
			reason:  "the code that holds the root key is read by auditors; it stays small and without foreign code",
		},
		{
			name:    "the domain imports the standard library, validator and the signature leaf",
			binds:   is("controlplane"),
			forbids: not(anyOf(standard, prefix("github.com/go-playground/validator/"), isModule("controlplane/signature"))),
			direct:  true,
			reason:  "rules about money live where no framework's types reach",
		},
		{
			name:    "the domain knows no database, no HTTP and no log",
			binds:   is("controlplane"),
			forbids: anyOf(prefix("database/sql", "net/http", "html/template"), exactly("log")),
			direct:  true,
			reason:  "it talks to storage through its Store interface and returns typed errors, whose presentation is the caller's",
		},
		{
			name: "packages below controlplane import it and the two leaves only",
			binds: func(f string) bool {
				return strings.HasPrefix(f, "controlplane/") && f != "controlplane/store/storetest"
			},
			forbids: moduleExcept("controlplane", "controlplane/signature", "controlplane/keyring"),
			direct:  true,
			reason:  "siblings that know each other cannot be replaced alone",
		},
		{
			name:    "the portal goes through the domain",
			binds:   under("portal"),
			forbids: moduleExcept("portal", "portal/ui", "controlplane", "controlplane/account", "clients"),
			direct:  true,
			reason:  "a page that reads the store walks past authorisation and audit; the samples for merchants are shown as they are tested",
		},
		{
			name:    "zap stays in caddymodule, portal and delivery",
			binds:   not(under("caddymodule/cmd", "portal", "controlplane/delivery", "tests"), is("caddymodule")),
			forbids: prefix("go.uber.org/zap"),
			reason:  "elsewhere errors are returned, so that nothing is logged twice and no secret is logged once",
		},
		{
			name:    "no guessable randomness",
			binds:   not(under("tests"), is("caddymodule")),
			forbids: exactly("math/rand", "math/rand/v2"),
			direct:  true,
			reason:  "keys, nonces and ids come from crypto/rand; only caddymodule's request ids, which nobody has to guess, need to be cheap",
		},
		{
			name:    "no test code in the product",
			binds:   not(under("tests"), is("controlplane/store/storetest")),
			forbids: anyOf(exactly("testing", "net/http/httptest"), prefix("pgregory.net/rapid", "go.uber.org/goleak", "github.com/rogpeppe/go-internal")),
			direct:  true,
			reason:  "helpers for tests live in _test.go files, or in storetest, the contract of a store",
		},
	}
}

func TestImports(t *testing.T) {
	all := packages(t)
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, p := range all {
				folder, ok := rel(p.ImportPath)
				if !ok || !r.binds(folder) {
					continue
				}
				imports := p.Deps
				if r.direct {
					imports = p.Imports
				}
				// One is enough: what it depends on in turn would follow.
				if i := slices.IndexFunc(imports, r.forbids); i >= 0 {
					t.Errorf("%s depends on %s; rule: %s; because: %s", folder, imports[i], r.name, r.reason)
				}
			}
		})
	}
}

// net/http is the one import that the rules cannot forbid the gate: it has the type
// of headers.
func TestGateServesNothing(t *testing.T) {
	const reason = "the gate decides about facts; requests, responses and connections are caddymodule's"
	for _, s := range sources(t) {
		if s.folder() != "caddymodule/gate" || s.test() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || text(sel.X) != "http" {
				return true
			}
			if name := sel.Sel.Name; name != "Header" && name != "CanonicalHeaderKey" && !strings.HasPrefix(name, "Status") && !strings.HasPrefix(name, "Method") {
				t.Errorf("%s:%d: http.%s; because: %s", s.path, s.line(sel.Pos()), name, reason)
			}
			return true
		})
	}
}

// A rule for a folder that was renamed would hold nothing.
func TestEveryPackageIsBound(t *testing.T) {
	var folders []string
	for _, p := range packages(t) {
		folder, _ := rel(p.ImportPath)
		folders = append(folders, folder)
	}
	for _, must := range []string{"caddymodule", "caddymodule/cmd/caddy", "caddymodule/gate", "caddymodule/replay", "caddymodule/roundtrip", "controlplane", "controlplane/keyring", "controlplane/signature", "controlplane/store"} {
		if !slices.Contains(folders, must) {
			t.Errorf("there is no package %s; if it moved, move the rules with it", must)
		}
	}
}

// Tests may use more than the code they test, but stay on their side of Caddy.
func TestImportsOfTests(t *testing.T) {
	const reason = "a test that needs the whole server is an end-to-end test and lives in caddymodule or tests"
	for _, p := range packages(t) {
		folder, ok := rel(p.ImportPath)
		if !ok || folder == "caddymodule" || strings.HasPrefix(folder, "tests/") {
			continue
		}
		for _, dep := range slices.Concat(p.TestImports, p.XTestImports) {
			if isModule("caddymodule")(dep) || strings.HasPrefix(dep, "github.com/caddyserver/") {
				t.Errorf("a test of %s imports %s; because: %s", folder, dep, reason)
			}
		}
	}
}

type match = func(string) bool

func is(folder string) match { return func(f string) bool { return f == folder } }

func under(folders ...string) match {
	return func(f string) bool {
		return slices.ContainsFunc(folders, func(folder string) bool { return f == folder || strings.HasPrefix(f, folder+"/") })
	}
}

func anyOf(ms ...match) match {
	return func(s string) bool { return slices.ContainsFunc(ms, func(m match) bool { return m(s) }) }
}

func not(ms ...match) match { return func(s string) bool { return !anyOf(ms...)(s) } }

func exactly(paths ...string) match {
	return func(p string) bool { return slices.Contains(paths, p) }
}

// prefix matches a path, or what lies below it.
func prefix(paths ...string) match {
	return func(p string) bool {
		return slices.ContainsFunc(paths, func(path string) bool {
			return p == path || strings.HasPrefix(p, strings.TrimSuffix(path, "/")+"/")
		})
	}
}

func isModule(folder string) match { return exactly(module + "/" + folder) }

// moduleExcept matches every package of this module but the named ones.
func moduleExcept(folders ...string) match {
	return func(p string) bool {
		folder, ok := rel(p)
		return ok && !slices.Contains(folders, folder)
	}
}

// standard matches the standard library: the first element of its paths has no
// dot. Its vendored packages are part of it.
func standard(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return !strings.Contains(first, ".") || strings.HasPrefix(p, "vendor/")
}
