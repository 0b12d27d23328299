package portal

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// hostileTexts are seeds for whatever takes text from a reader.
func hostileTexts() []string {
	return []string{
		"", " ", "203.0.113.9", "203.0.113.9/24", "::ffff:203.0.113.9", "fe80::1%eth0", "0.0.0.0/0", "999.1.1.1", "1", "2026-03-01", "9223372036854775808",
		`"><script>alert(1)</script>`, "javascript:alert(1)", "' OR 1=1 --", "\x00", "\xff", "\u202e", "ก", strings.Repeat("9", 500), "{{.}}", "%s%n", "add", "key.issue",
	}
}

// judgeFuzz: nothing breaks, and no text becomes markup.
func judgeFuzz(t *testing.T, rec *httptest.ResponseRecorder, text string) {
	t.Helper()
	switch rec.Code {
	case http.StatusOK, http.StatusSeeOther, http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity:
	default:
		t.Errorf("%q: %d", text, rec.Code)
	}
	if strings.Count(rec.Body.String(), "<script") > 1 {
		t.Errorf("%q became markup", text)
	}
}

func FuzzAddressesOfPages(f *testing.F) {
	for _, text := range hostileTexts() {
		f.Add(text)
	}
	w := newWorld(f)
	b := w.as(w.site("Shop"), controlplane.RoleOwner)
	before := w.version()
	f.Fuzz(func(t *testing.T, text string) {
		q := url.QueryEscape(text)
		for _, page := range []string{
			"/allowlist/check?ip=", "/allowlist/requests?after=", "/allowlist/requests/new?action=remove&cidr=", "/audit?operation=", "/audit?since=",
			"/audit?before=", "/audit?outcome=", "/team?after=", "/docs/quickstart?language=",
		} {
			judgeFuzz(t, b.get(page+q), text)
		}
		judgeFuzz(t, b.get("/test/keys/"+url.PathEscape(strings.ReplaceAll(text, "/", ""))), text)
		if now, err := w.readVersion(t.Context()); err != nil || now != before {
			t.Errorf("%q: a GET changed the database (%v)", text, err)
		}
	})
}

func FuzzAllowlistRequestForm(f *testing.F) {
	for _, text := range hostileTexts() {
		f.Add("add", text, text)
		f.Add(text, "192.0.2.1", text)
	}
	w := newWorld(f)
	s := w.site("Shop")
	b := w.as(s, controlplane.RoleAdmin)
	local := controlplane.LocalActor("root")
	f.Fuzz(func(t *testing.T, action, cidr, reason string) {
		rec := b.post("/allowlist/requests/new", url.Values{"action": {action}, "cidr": {cidr}, "reason": {reason}})
		judgeFuzz(t, rec, action+" "+cidr+" "+reason)
		judgeFuzz(t, b.get("/allowlist/requests"), reason)
		if rec.Code != http.StatusSeeOther {
			return
		}
		newest, err := w.service.ListAllowlistRequests(t.Context(), local, controlplane.AllowlistRequestFilter{
			MerchantID: s.merchant.ID, State: controlplane.AllowlistPending, Page: controlplane.Page{Limit: 1},
		})
		if err != nil || len(newest) != 1 {
			t.Fatalf("%d requests wait, %v", len(newest), err)
		}
		_, err = w.service.WithdrawAllowlistRequest(t.Context(), local, controlplane.DecideAllowlistRequest{MerchantID: s.merchant.ID, RequestID: newest[0].ID})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzAuditDiff(f *testing.F) {
	for _, text := range append(hostileTexts(), `{"a":{"from":1,"to":"x"}}`, `{"a":null}`, `[]`, `{"a":{"to":{"b":[1]}}}`) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var fields map[string]any
		empty := text == "" || json.Unmarshal([]byte(text), &fields) == nil && len(fields) == 0
		if shown := auditChanges([]byte(text)); (len(shown) == 0) != empty {
			t.Errorf("%q is shown as %v", text, shown)
		}
	})
}
