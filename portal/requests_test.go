package portal

import (
	"encoding/csv"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestRequestLogIsFilteredByItsAddress(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop") // has one refused request
	w.clock.pass(time.Hour)
	w.logged(s.merchant.ID, func(q *controlplane.LoggedRequest) {
		q.Outcome, q.Code, q.Path, q.KeyID = controlplane.RequestAccepted, controlplane.RequestOK, "/v1/refunds", s.keyID
	})
	w.logged(s.merchant.ID, func(q *controlplane.LoggedRequest) {
		q.Code, q.ClientIP = "IP_NOT_ALLOWED", netip.MustParseAddr("2001:db8::7")
	})
	w.logged(s.merchant.ID, func(q *controlplane.LoggedRequest) { q.Environment = controlplane.Live })
	b := w.as(s, controlplane.RoleOperator)
	for query, want := range map[string]int{
		"":                                     3,
		"outcome=refused":                      2,
		"outcome=accepted":                     1,
		"outcome=reported":                     0,
		"code=IP_NOT_ALLOWED":                  1,
		"key=" + s.keyID:                       1,
		"ip=2001:db8::7":                       1,
		"ip=::ffff:203.0.113.9":                2,
		"path=/v1/refunds":                     1,
		"path=/v1/":                            3,
		"since=2026-03-01T12:30":               2,
		"until=2026-03-01T12:30":               1,
		"code=IP_NOT_ALLOWED&outcome=accepted": 0,
		"ip=shop.example":                      -422,
		"outcome=lost":                         -400,
		"code=OK":                              -400,
		"before=req_none":                      -404,
	} {
		rec := b.get("/test/requests?" + query)
		if want < 0 {
			b.wants(rec, -want)
			continue
		}
		b.wants(rec, http.StatusOK)
		if n := strings.Count(rec.Body.String(), `href="/test/requests/req_`); n != want {
			t.Errorf("%q lists %d requests, want %d", query, n, want)
		}
		file := b.get("/test/requests.csv?" + query)
		rows, err := csv.NewReader(file.Body).ReadAll()
		if err != nil || len(rows) != want+1 {
			t.Errorf("%q exports %d rows, want %d (%v)", query, len(rows)-1, want, err)
		}
	}
}

func TestRequestLogPages(t *testing.T) {
	w := newWorld(t)
	s := w.emptySite("Shop")
	for range loggedPerPage + 2 {
		w.clock.pass(time.Second)
		w.logged(s.merchant.ID)
	}
	b := w.as(s, controlplane.RoleOwner)
	page := b.get("/test/requests?outcome=refused").Body.String()
	_, rest, _ := strings.Cut(page, `href="/test/requests?before=`)
	next, _, _ := strings.Cut(rest, `"`)
	if n := strings.Count(page, `href="/test/requests/req_`); n != loggedPerPage || !strings.Contains(next, "outcome=refused") {
		t.Fatalf("%d rows, next %q", n, next)
	}
	if n := strings.Count(b.get("/test/requests?before="+strings.ReplaceAll(next, "&amp;", "&")).Body.String(), `href="/test/requests/req_`); n != 2 {
		t.Errorf("%d rows on the second page", n)
	}
}

// Who sends a request chooses its path, and whoever opens the file runs what a
// spreadsheet makes of it.
func TestExportHoldsNoFormula(t *testing.T) {
	w := newWorld(t)
	s := w.emptySite("Shop")
	b := w.as(s, controlplane.RoleAdmin)
	for _, path := range []string{`=HYPERLINK("https://evil.example")`, "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "/plain,\"quoted\""} {
		w.logged(s.merchant.ID, func(q *controlplane.LoggedRequest) { q.Method, q.Path = path, path })
	}
	rec := b.get("/test/requests.csv")
	b.wants(rec, http.StatusOK)
	if kind, name := rec.Header().Get("Content-Type"), rec.Header().Get("Content-Disposition"); kind != "text/csv; charset=utf-8" || !strings.HasPrefix(name, `attachment; filename="requests-test-`) {
		t.Errorf("%s, %s", kind, name)
	}
	rows, err := csv.NewReader(rec.Body).ReadAll()
	w.must(err)
	if len(rows) != 9 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
				t.Errorf("the cell %q is a formula", cell)
			}
		}
	}
}

func TestPlainCellsKeepTheirText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "cell")
		cell := plainCell(s)
		if strings.TrimPrefix(cell, "'") != strings.TrimPrefix(s, "'") || cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
			t.Fatalf("%q became %q", s, cell)
		}
	})
}

func TestPageOfARequestExplainsIt(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	b := w.as(s, controlplane.RoleOperator)
	entries, err := w.service.ListAllowlist(t.Context(), controlplane.LocalActor("root"), s.merchant.ID)
	w.must(err)
	page := func(edit func(*controlplane.LoggedRequest)) string {
		id := w.logged(s.merchant.ID, edit)
		rec := b.get("/test/requests/" + id)
		b.wants(rec, http.StatusOK, id)
		return rec.Body.String()
	}
	for name, c := range map[string]struct {
		edit func(*controlplane.LoggedRequest)
		want []string
		not  string
	}{
		"a near miss": {func(q *controlplane.LoggedRequest) { q.Why.EntryRow = entries[0].Row }, []string{
			"The query was left out", "Sign the whole request target", "2 seconds behind", "203.0.113.0/24", "office", "UNK1-HMAC-SHA256", "The signature<",
		}, ""},
		"an entry that is gone": {func(q *controlplane.LoggedRequest) { q.Why.EntryRow = 9999 }, []string{"removed since"}, ""},
		"a wrong address": {func(q *controlplane.LoggedRequest) {
			q.Code, q.Why, q.ClientIP = "IP_NOT_ALLOWED", controlplane.RequestWhy{}, netip.MustParseAddr("192.0.2.1")
		}, []string{"not on your IP allowlist", "In none of the entries. The list has 1 now."}, "on the list now"},
		"an address that was added since": {func(q *controlplane.LoggedRequest) {
			q.Code, q.Why = "IP_NOT_ALLOWED", controlplane.RequestWhy{}
		}, []string{"The address is on the list now"}, ""},
		"an accepted one": {func(q *controlplane.LoggedRequest) {
			q.Outcome, q.Code, q.Why, q.StringToSign = controlplane.RequestAccepted, controlplane.RequestOK, controlplane.RequestWhy{}, ""
		}, []string{"The gateway accepted this request"}, "Failed check"},
		"a reported one": {func(q *controlplane.LoggedRequest) { q.Outcome = controlplane.RequestReported }, []string{"Would have been refused", "only reports for now"}, ""},
	} {
		got := page(c.edit)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the page does not say %q", name, want)
			}
		}
		if c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%s: the page says %q", name, c.not)
		}
	}
	b.wants(b.get("/live/requests/"+s.requestID), http.StatusNotFound)
}

// Viewers look at requests too, but not at what was signed, nor at its hash or that
// of the body, by which a guess at it could be confirmed. The workbench, which tells
// what would have to be signed, is not for them.
func TestViewersSeeNoStringToSign(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	signed := []string{"UNK1-HMAC-SHA256", "nonce-of-this-one", "/v1/payments?order=1", strings.Repeat("ab", 32), strings.Repeat("cd", 32)}
	for role, sees := range map[controlplane.Role]bool{controlplane.RoleViewer: false, controlplane.RoleOperator: true} {
		b := w.as(s, role)
		for target, want := range map[string]string{
			"/": "", "/test/requests": s.requestID, "/test/requests?code=SIGNATURE_MISMATCH": s.requestID, "/test/requests.csv": s.requestID,
			"/test/requests/" + s.requestID: "The query was left out",
		} {
			rec := b.get(target)
			b.wants(rec, http.StatusOK, want)
			for _, piece := range signed {
				if told := strings.Contains(rec.Body.String(), piece); told && !sees || !told && sees && strings.HasPrefix(target, "/test/requests/") {
					t.Errorf("%s: %q is at %s: %t", role, piece, target, told)
				}
			}
		}
	}
	b := w.as(s, controlplane.RoleViewer)
	b.wants(b.get("/test/signature"), http.StatusForbidden)
	if strings.Contains(b.get("/test/requests").Body.String(), "/test/signature") {
		t.Error("a viewer is sent to the workbench")
	}
}

// Whose request an id is cannot be told from the answer to those it is not for.
func TestForeignRequestLooksLikeNone(t *testing.T) {
	w := newWorld(t)
	s, other := w.site("Shop"), w.site("Other")
	for _, role := range merchantRoles() {
		b := w.as(other, role)
		foreign, unknown := b.get("/test/requests/"+s.requestID), b.get("/test/requests/req_"+strings.Repeat("0", 26))
		b.wants(foreign, http.StatusNotFound)
		b.wants(unknown, http.StatusNotFound)
		// Each answer names itself; nothing else may differ.
		own := regexp.MustCompile(`req_[0-9a-z]{26}`)
		if a, b := own.ReplaceAllString(foreign.Body.String(), ""), own.ReplaceAllString(unknown.Body.String(), ""); a != b {
			t.Errorf("%s: the answers differ:\n%s\n%s", role, a, b)
		}
	}
}

func TestTrafficIsDrawnByOutcomeAndCode(t *testing.T) {
	now := time.Date(2026, 3, 8, 12, 34, 0, 0, time.UTC)
	count := func(hoursAgo int, o controlplane.RequestOutcome, code string, n, unlisted int64) controlplane.RequestCount {
		return controlplane.RequestCount{At: now.Truncate(time.Hour).Add(-time.Duration(hoursAgo) * time.Hour), Outcome: o, Code: code, Count: n, Unlisted: unlisted}
	}
	got := newTraffic([]controlplane.RequestCount{
		count(0, controlplane.RequestAccepted, "OK", 90, 0), count(0, controlplane.RequestRefused, "KEY_INVALID", 4, 0),
		count(30, controlplane.RequestRefused, "SIGNATURE_MISMATCH", 9, 7), count(30, controlplane.RequestReported, "KEY_INVALID", 6, 0),
	}, now)
	if got.Unlisted != 7 || len(got.Day.Seen()) != 1 || len(got.Week.Seen()) != 2 || got.Day.Top != 94 || got.Week.Top != 94 {
		t.Errorf("%+v", got)
	}
	if len(got.Codes) != 2 || got.Codes[0].Code != "KEY_INVALID" || got.Codes[0].Day != 4 || got.Codes[0].Week != 10 || got.Codes[1].Week != 9 || got.Codes[1].Day != 0 {
		t.Errorf("%+v", got.Codes)
	}
}

func TestEveryCodeAndCauseHasItsTexts(t *testing.T) {
	for _, l := range testCatalogue(t).languages {
		for _, id := range append(refusalCodes(), refusalCauses()...) {
			e := explain("SIGNATURE_MISMATCH", id)
			if explainCheck(id) != "" {
				e = explain(id)
			}
			for _, key := range []string{e.Check, e.What, e.Fix} {
				if l.texts[key] == "" {
					t.Errorf("%s lacks %s", l.tag, key)
				}
			}
		}
	}
	if e := explain("AUTH_MALFORMED", "unheard_of", "missing"); e.What != "explain.what.missing" {
		t.Errorf("an unknown cause hides the one behind it: %+v", e)
	}
}
