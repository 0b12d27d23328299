package portal

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html/atom"

	"github.com/unknownpay/merchant-gateway/clients"
	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

func TestAllowlistChangeIsRequestedAndWithdrawn(t *testing.T) {
	w := newWorld(t)
	s := w.emptySite("Shop")
	b := w.as(s, controlplane.RoleAdmin)
	rec := b.post("/allowlist/requests/new", url.Values{"action": {"add"}, "cidr": {" 203.0.113.0/24 "}, "reason": {"Bangkok"}})
	b.wants(rec, http.StatusSeeOther)
	rec = b.get(rec.Header().Get("Location"))
	b.wants(rec, http.StatusOK, "203.0.113.0/24", "Bangkok", "Waiting", "shop.admin", "Your request is with the platform team.")
	withdraw := regexp.MustCompile(`/allowlist/requests/alr_\w+/withdraw`).FindString(rec.Body.String())
	b.wants(b.post(withdraw, nil), http.StatusSeeOther)
	b.wants(b.get("/allowlist/requests"), http.StatusOK, "Withdrawn")
	b.wants(b.post(withdraw, nil), http.StatusConflict)
	b.wants(b.get("/allowlist"), http.StatusOK, "every request is refused")
}

// What the control plane says in English must reach the reader in their language.
func TestBrokenRulesOfARequestAreSaidInTheReadersLanguage(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop") // has 203.0.113.0/24 and waits for 198.51.100.7
	b := w.as(s, controlplane.RoleOwner)
	b.cookies[preferencesCookie] = "th.auto"
	th := w.handler.(*portal).texts.byTag("th")
	for _, c := range []struct {
		action, cidr, reason, rule string
		args                       []any
	}{
		{"add", "", "x", "required", nil},
		{"add", "192.0.2.1", "", "required", nil},
		{"add", "192.0.2.1", strings.Repeat("x", 201), "note", nil},
		{"replace", "192.0.2.1", "x", "oneof", nil},
		{"add", "shop.example", "x", "cidr", nil},
		{"add", "fe80::1%eth0", "x", "zone", nil},
		{"add", "::ffff:0:0/95", "x", "mapped", nil},
		{"add", "192.0.2.1/24", "x", "host_bits", []any{"range", "192.0.2.0/24", "address", "192.0.2.1"}},
		{"add", "8.0.0.0/7", "x", "wide", []any{"bits", 8}},
		{"add", "203.0.113.0/24", "x", "present", nil},
		{"remove", "192.0.2.1", "x", "absent", nil},
		{"add", "198.51.100.7", "x", "pending", nil},
	} {
		text, err := th.text("rule."+c.rule, c.args...)
		w.must(err)
		rec := b.post("/allowlist/requests/new", url.Values{"action": {c.action}, "cidr": {c.cidr}, "reason": {c.reason}})
		b.wants(rec, http.StatusUnprocessableEntity, text)
		checkPage(t, w, rec)
	}
	for i := 1; i < controlplane.MaxPendingAllowlistRequests; i++ {
		b.wants(b.post("/allowlist/requests/new", url.Values{"action": {"add"}, "cidr": {fmt.Sprintf("192.0.2.%d", i)}, "reason": {"x"}}), http.StatusSeeOther)
	}
	text, err := th.text("rule.full", "n", controlplane.MaxPendingAllowlistRequests)
	w.must(err)
	b.wants(b.post("/allowlist/requests/new", url.Values{"action": {"add"}, "cidr": {"192.0.2.200"}, "reason": {"x"}}), http.StatusUnprocessableEntity, text)
}

// Before a change is asked for, the page says what it would have done, and asks for
// nothing.
func TestRequestIsTriedOnTheLastDay(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop") // allows 203.0.113.0/24, and asks for 198.51.100.7
	b := w.as(s, controlplane.RoleAdmin)
	w.must(w.service.RecordRequests(t.Context(), controlplane.RequestBatch{Addresses: []controlplane.RequestAddress{{
		MerchantID: s.merchant.ID, Environment: controlplane.Live, Hour: controlplane.SpanHour.Of(w.clock.Now().Add(-time.Hour)),
		IP: netip.MustParseAddr("203.0.113.77"), Count: 41,
	}}}))
	w.logged(s.merchant.ID, func(q *controlplane.LoggedRequest) {
		q.Code, q.ClientIP = "IP_NOT_ALLOWED", netip.MustParseAddr("192.0.2.5")
	})
	for _, c := range []struct {
		action, cidr string
		status       int
		want         []string
	}{
		{"remove", "203.0.113.0/24", 200, []string{"would have been refused: 41", "203.0.113.77", `value="203.0.113.0/24"`, "because &lt;b&gt;"}},
		{"add", "192.0.2.5", 200, []string{"No accepted request", "192.0.2.5"}},
		{"remove", "203.0.113.0/25", 422, []string{"No entry is exactly this"}},
		{"remove", "shop", 422, nil}, {"add", "203.0.113.1/24", 422, []string{"203.0.113.0/24"}}, {"add", "", 422, nil},
	} {
		rec := b.post("/allowlist/requests/new", url.Values{"action": {c.action}, "cidr": {c.cidr}, "reason": {"because <b>"}, "try": {"1"}})
		b.wants(rec, c.status, c.want...)
		checkPage(t, w, rec)
	}
	asked, err := w.service.ListAllowlistRequests(t.Context(), controlplane.LocalActor("root"), controlplane.AllowlistRequestFilter{MerchantID: s.merchant.ID})
	w.must(err)
	if len(asked) != 1 {
		t.Errorf("%d requests, want the one that was there", len(asked))
	}
}

func TestAddressTesterAnswersLikeTheGateway(t *testing.T) {
	w := newWorld(t)
	b := w.as(w.site("Shop"), controlplane.RoleViewer)
	for ip, text := range map[string]string{
		"203.0.113.9": "203.0.113.9 may send requests", "::ffff:203.0.113.9": "203.0.113.9 may send requests",
		"203.0.114.9": "It is in none of the 1 entries.", "2001:db8::1": "2001:db8::1 is refused",
	} {
		b.wants(b.get("/allowlist/check?ip="+url.QueryEscape(ip)), http.StatusOK, text)
	}
	empty := w.as(w.emptySite("Empty"), controlplane.RoleViewer)
	empty.wants(empty.get("/allowlist/check?ip=203.0.113.9"), http.StatusOK, "The allowlist is empty")
}

// rowsOf counts the rows of the page's table by their text.
func (b *browser) rowsOf(rec *httptest.ResponseRecorder) (rows []string, older string) {
	b.Helper()
	for _, n := range elements(b, rec) {
		if n.DataAtom == atom.Tr && n.Parent.DataAtom == atom.Tbody {
			rows = append(rows, textOf(n))
		}
		if attr(n, "rel") == "next" {
			older = attr(n, "href")
		}
	}
	return rows, older
}

func TestPagingShowsEveryRowOnce(t *testing.T) {
	w := newWorld(t)
	s := w.busySite("Busy")
	b := w.as(s, controlplane.RoleOwner)
	events, err := w.service.ListAudit(t.Context(), controlplane.LocalActor("root"), controlplane.AuditFilter{MerchantID: s.merchant.ID, Limit: 1000})
	w.must(err)
	for first, want := range map[string]int{"/audit": len(events), "/audit?operation=allowlist.request": requestsPerPage + 3, "/allowlist/requests": requestsPerPage + 3} {
		var all []string
		for page := first; page != ""; {
			rec := b.get(page)
			b.wants(rec, http.StatusOK)
			var rows []string
			rows, page = b.rowsOf(rec)
			all = append(all, rows...)
		}
		if len(all) != want {
			t.Errorf("%s: %d rows, want %d", first, len(all), want)
		}
	}
}

func TestAuditFiltersAreInTheAddress(t *testing.T) {
	w := newWorld(t)
	b := w.as(w.site("Shop"), controlplane.RoleOwner)
	count := func(page string) int {
		t.Helper()
		rec := b.get(page)
		b.wants(rec, http.StatusOK)
		rows, _ := b.rowsOf(rec)
		return len(rows)
	}
	for page, want := range map[string]int{
		"/audit?operation=key.issue": 2, "/audit?operation=key.issue&outcome=denied": 0, "/audit?since=2026-03-02": 0,
		"/audit?operation=key.issue&since=2026-03-01": 2, "/audit?operation=no.such": 0,
	} {
		if n := count(page); n != want {
			t.Errorf("%s: %d rows, want %d", page, n, want)
		}
	}
	b.wants(b.get("/audit?operation=no.such"), http.StatusOK, "Nothing matches these filters")
	b.wants(b.get("/audit?operation=key.issue"), http.StatusOK, `<option value="key.issue" selected>`)
	b.wants(b.get("/audit?outcome=maybe"), http.StatusBadRequest)
	b.wants(b.get("/audit?before=-1"), http.StatusBadRequest)
}

// Every "Allowed" and "Not allowed" of a row is where the table has it.
func TestRolesPageSaysWhatTheTableSays(t *testing.T) {
	w := newWorld(t)
	b := w.as(w.emptySite("Shop"), controlplane.RoleViewer)
	rows, _ := b.rowsOf(b.get("/roles"))
	p := w.handler.(*portal)
	for _, r := range p.table.rows {
		if r.Operation == "" {
			continue
		}
		name, err := p.texts.languages[0].text("operation." + string(r.Operation))
		w.must(err)
		i := slices.IndexFunc(rows, func(row string) bool { return strings.HasPrefix(row, name) })
		if i < 0 {
			t.Fatalf("no row for %s", r.Operation)
		}
		want := name
		if r.permission.Sudo {
			want += " asks for your password"
		}
		for _, role := range merchantRoles() {
			want += map[bool]string{true: " ✓Allowed", false: " –Not allowed"}[r.allows(role)]
		}
		if got := strings.Join(strings.Fields(rows[i]), " "); got != want {
			t.Errorf("%s: %q, want %q", r.Operation, got, want)
		}
	}
}

// The walk-through is run as it is shown: bash, openssl and curl against a server
// that verifies as the gateway does.
func TestWalkThroughSignsWhatTheGatewayAccepts(t *testing.T) {
	w := newWorld(t)
	s := w.emptySite("Shop")
	issued, err := w.service.IssueKey(t.Context(), controlplane.LocalActor("root"), controlplane.IssueKey{MerchantID: s.merchant.ID, Environment: controlplane.Test})
	w.must(err)
	server := httptest.NewServer(verifier(issued))
	defer server.Close()
	w.rebuild(func(c *Config) { c.TestURL = server.URL })
	b := w.as(s, controlplane.RoleOperator)
	script := ""
	for _, n := range elements(b, b.get("/docs/quickstart")) {
		if attr(n, "id") == "walkthrough" {
			script = n.FirstChild.Data
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Env = append(cmd.Environ(), "UNK_SECRET="+issued.Secret.Reveal())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "verified "+issued.Key.ID) {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
}

func verifier(issued controlplane.IssuedKey) http.Handler {
	verify := func(r *http.Request) error {
		creds, err := signature.Parse(r.Header)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		key, err := signature.NewMACKey([]byte(issued.Secret.Reveal()))
		if err != nil {
			return err
		}
		got := signature.Request{Method: r.Method, Scheme: "http", Target: r.RequestURI, Body: signature.Body{Length: int64(len(body)), SHA256: sha256.Sum256(body)}}
		if got.Host, err = signature.Host(r.Host, got.Scheme); err != nil {
			return err
		}
		return creds.Verify(&key, &got)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := verify(r); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, "verified", r.Header.Get(signature.HeaderKey))
	})
}

func TestQuickstartShowsTheTestedSampleOfEachLanguage(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	b := w.as(s, controlplane.RoleViewer)
	for _, l := range clients.Languages() {
		library, err := l.Source()
		w.must(err)
		example, err := l.ExampleSource()
		w.must(err)
		rec := b.get("/docs/quickstart?language=" + l.Dir)
		checkPage(t, w, rec)
		shown := map[string]bool{}
		for _, n := range elements(b, rec) {
			if n.DataAtom == atom.Code && n.FirstChild != nil {
				shown[n.FirstChild.Data] = true
			}
		}
		if !shown[library] || !shown[example] || !strings.Contains(rec.Body.String(), "UNK_KEY_ID=&#39;"+s.keyID) && !strings.Contains(rec.Body.String(), "UNK_KEY_ID='"+s.keyID) {
			t.Errorf("%s is not shown as it is", l.Name)
		}
	}
}
