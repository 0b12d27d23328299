package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestPlaceholdersAreNumberedInOrderOfFirstAppearance(t *testing.T) {
	placeholder := regexp.MustCompile(`\$\d+`)
	for name, text := range statements(t) {
		next := 1
		for _, p := range placeholder.FindAllString(text, -1) {
			n, err := strconv.Atoi(p[1:])
			if err != nil || n > next {
				t.Fatalf("%s: %s where $%d comes next", name, p, next)
			}
			if n == next {
				next++
			}
		}
		if strings.Contains(text, "?") {
			t.Errorf("%s binds with ?", name)
		}
	}
}

// Constructs that only one of the two databases has.
func TestStatementsAreTheSameInEveryDatabase(t *testing.T) {
	ofOne := regexp.MustCompile(`(?i)\b(pragma|rowid|insert or|replace into|ifnull|iif|instr|strpos|group_concat|glob|ilike|datetime|strftime|` +
		`julianday|now|unixepoch|autoincrement|last_insert_rowid|changes|json\w*|regexp|serial|returning \*|select \*|zeroblob|typeof|` +
		`for update|skip locked|unnest|any|nulls first|nulls last|true|false|current_timestamp|printf|format|hex|quote)\b|::|~|\[|"|->`)
	for name, text := range statements(t) {
		if found := ofOne.FindString(text); found != "" {
			t.Errorf("%s uses %q: %s", name, found, text)
		}
	}
}

// A statement that is not a constant named sql… escapes the tests above.
func TestNoStatementHidesOutsideTheConstants(t *testing.T) {
	statement := regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|DROP|ALTER)\b`)
	for file, tree := range sources(t) {
		if strings.HasPrefix(file, "sqlite") || strings.HasPrefix(file, "postgres") { // the dialects
			continue
		}
		named := map[ast.Node]bool{}
		ast.Inspect(tree, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "sql") {
				for _, v := range spec.Values {
					named[v] = true
				}
			}
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && !named[n] && statement.MatchString(unquote(t, lit)) {
				t.Errorf("%s has a statement outside of a constant named sql…: %s", file, lit.Value)
			}
			return true
		})
	}
}

// notByMerchant are the statements on merchants' data whose WHERE names no
// merchant, each with the reason.
func notByMerchant() map[string]string {
	return map[string]string{
		"sqlUserByUsername":           "sign-in learns from it which merchant it is for",
		"sqlSaveKeyUse":               "the gateway's own counters, by the key that it verified",
		"sqlSaveAllowlistMatch":       "the gateway's own counters, by the row that it matched",
		"sqlAudit":                    "staff read the whole trail",
		"sqlAuditAfter":               "verification reads the whole trail",
		"sqlSealedAPISecrets":         "re-encryption reaches every merchant",
		"sqlSnapshotSize":             "gateways serve every merchant",
		"sqlSnapshotMerchants":        "gateways serve every merchant",
		"sqlSnapshotMerchantsAfter":   "gateways serve every merchant",
		"sqlSnapshotKeys":             "gateways serve every merchant",
		"sqlSnapshotKeysAfter":        "gateways serve every merchant",
		"sqlKeysStopping":             "every merchant is reminded",
		"sqlPendingAllowlistRequests": "staff decide what every merchant asks for",
	}
}

func TestEveryQueryOfAMerchantsDataNamesTheMerchant(t *testing.T) {
	table := regexp.MustCompile(`(?i)\b(from|update|join) (users|api_keys|allowlist_entries|allowlist_requests|audit_events|endpoints|endpoint_secrets|endpoint_conditions|endpoint_health|events|deliveries|attempts|replays|requests|request_counts|request_addresses)\b`)
	named := regexp.MustCompile(`(?i)\bmerchant_id = \$\d+( |$)`)
	allowed := notByMerchant()
	maps.Copy(allowed, webhooksNotByMerchant())
	maps.Copy(allowed, requestsNotByMerchant())
	for name, text := range statements(t) {
		if !table.MatchString(text) {
			continue
		}
		_, where, _ := strings.Cut(text, " WHERE ")
		// An OR could turn the condition off.
		conjuncts := strings.Split(dropParentheses(where), " AND ")
		bound := slices.ContainsFunc(conjuncts, func(c string) bool {
			return named.MatchString(c) && !strings.Contains(strings.ToUpper(c), " OR ")
		})
		if _, excused := allowed[name]; !bound && !excused {
			t.Errorf("%s reads or changes merchants' data without the merchant: %s", name, text)
		} else if bound && excused {
			t.Errorf("%s is excused but needs no excuse", name)
		}
	}
	for name := range allowed {
		if _, found := statements(t)[name]; !found {
			t.Errorf("%s is excused but does not exist", name)
		}
	}
}

// dropParentheses removes what stands in parentheses, nested ones too.
func dropParentheses(s string) string {
	inner := regexp.MustCompile(`\([^()]*\)`)
	for inner.MatchString(s) {
		s = inner.ReplaceAllString(s, "")
	}
	return s
}

// statements returns every constant named sql… of the package's source, spaces
// folded.
func statements(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, tree := range sources(t) {
		ast.Inspect(tree, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "sql") {
				lit, ok := spec.Values[0].(*ast.BasicLit)
				if !ok {
					t.Fatalf("%s is not one literal", spec.Names[0].Name)
				}
				found[spec.Names[0].Name] = strings.Join(strings.Fields(unquote(t, lit)), " ")
			}
			return true
		})
	}
	if len(found) < 30 {
		t.Fatalf("found only %v", slices.Sorted(maps.Keys(found)))
	}
	return found
}

func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if all[name], err = parser.ParseFile(token.NewFileSet(), name, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func unquote(t *testing.T, lit *ast.BasicLit) string {
	t.Helper()
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
