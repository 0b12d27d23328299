package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/portal/api"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// apiToken is how good a token is.
type apiToken struct {
	name      string
	confirmed bool
	// spoil ends it; nil: it works.
	spoil func(w *apiWorld, m controlplane.Staff, issued *controlplane.IssuedStaffToken)
}

func apiTokens() []apiToken {
	return []apiToken{
		{"plain", false, nil},
		{"confirmed", true, nil},
		{"none", false, func(_ *apiWorld, _ controlplane.Staff, i *controlplane.IssuedStaffToken) {
			i.Secret = controlplane.NewSecret("")
		}},
		{"never given out", false, func(_ *apiWorld, _ controlplane.Staff, i *controlplane.IssuedStaffToken) {
			i.Secret = controlplane.NewSecret("unks_staff_" + strings.Repeat("0", 38))
		}},
		{"revoked", true, func(w *apiWorld, _ controlplane.Staff, i *controlplane.IssuedStaffToken) {
			w.change(func(ctx context.Context, tx controlplane.Tx) error {
				return tx.RevokeStaffToken(ctx, i.Token.ID, time.Now())
			})
		}},
		{"expired", true, func(w *apiWorld, _ controlplane.Staff, _ *controlplane.IssuedStaffToken) {
			w.later(91 * 24 * time.Hour)
		}},
		{"of a disabled member", true, func(w *apiWorld, m controlplane.Staff, _ *controlplane.IssuedStaffToken) {
			w.change(func(ctx context.Context, tx controlplane.Tx) error {
				m.Disabled = true
				return tx.UpdateStaff(ctx, m)
			})
		}},
	}
}

// apiCell is one case of the matrix.
type apiCell struct {
	route api.Route
	role  controlplane.Role
	state apiToken
}

func (c apiCell) String() string {
	return fmt.Sprintf("%s %s, %s, token %s", c.route.Method, c.route.Path, c.role, c.state.name)
}

// refusal is the code that the permission table gives a cell; empty: none.
func (c apiCell) refusal() controlplane.Code {
	i := slices.IndexFunc(controlplane.Permissions(), func(p controlplane.Permission) bool { return p.Operation == c.route.Operation })
	p := controlplane.Permissions()[i]
	switch {
	case c.state.spoil != nil:
		return controlplane.CodeUnauthenticated
	case !p.Allows(c.role):
		return controlplane.CodeDenied
	case p.Sudo && !c.state.confirmed:
		return controlplane.CodeSudoRequired
	}
	return ""
}

func TestEveryRouteRoleAndTokenOfTheAdminAPI(t *testing.T) {
	asvs.Covers(t, "8.2.1", "8.2.2", "8.3.1", "8.4.1")
	w := newAPIWorld(t)
	for _, role := range staffRoles() {
		for _, state := range apiTokens() {
			m := w.members[role]
			if state.spoil != nil {
				m = w.member(strings.ReplaceAll(string(role)+state.name, " ", ""), role)
			}
			issued := w.token(m, state.confirmed)
			w.ask(http.MethodGet, api.Prefix+"/merchants", issued.Secret.Reveal(), "") // its first use is written down
			if state.spoil != nil {
				state.spoil(w, m, &issued)
			}
			for _, r := range api.Routes() {
				w.judge(apiCell{r, role, state}, issued)
			}
			w.later(0)
		}
	}
}

// judge tries a cell on a merchant of its own and holds the answer against what the
// permission table says.
func (w *apiWorld) judge(c apiCell, issued controlplane.IssuedStaffToken) {
	w.Helper()
	site, code := w.site(), c.refusal()
	if code == "" {
		w.prepare(c.route.Operation, site)
	}
	target, body := w.address(c.route, c.role, site)
	before := w.auditHead()
	w.glass = c.role == controlplane.RolePlatformAdmin
	rec := w.ask(c.route.Method, target, issued.Secret.Reveal(), body)
	if code == "" {
		if c.route.Method != http.MethodGet {
			w.spare = nil
		}
		waits := rec.Code == http.StatusAccepted && c.role == controlplane.RolePlatformOperator
		if rec.Code != http.StatusOK && rec.Code != http.StatusCreated && !waits {
			w.Errorf("%s: HTTP %d\n%s", c, rec.Code, rec.Body)
		}
		if c.route.Method == http.MethodGet && w.auditHead() != before {
			w.Errorf("%s: a GET left an audit row", c)
		}
		return
	}
	if p := w.problem(rec); p.Code != code {
		w.Errorf("%s: %s, want %s", c, p.Code, code)
	}
	if head := w.auditHead(); code == controlplane.CodeUnauthenticated && head != before {
		w.Errorf("%s: nobody was let in, and there is an audit row", c)
	} else if code != controlplane.CodeUnauthenticated && head != before+1 {
		w.Errorf("%s: the refusal is not written down", c)
	}
}

func (w *apiWorld) auditHead() (seq int64) {
	w.Helper()
	check(w, w.node.db.View(w.Context(), func(tx controlplane.Tx) error {
		head, err := tx.AuditHead(w.Context())
		seq = head.Seq
		return err
	}))
	return seq
}

// consoleOnly are the operations of staff without a route, each with the reason.
func consoleOnly() map[controlplane.Operation]string {
	return map[controlplane.Operation]string{
		controlplane.OpStaffTokenIssue: "a token cannot make tokens: it would outlive its own end",
	}
}

func TestTheAdminAPIHasEveryOperationOfStaffAndNoOther(t *testing.T) {
	have := map[controlplane.Operation]bool{}
	for _, r := range api.Routes() {
		have[r.Operation] = true
	}
	for _, p := range controlplane.Permissions() {
		staff := slices.ContainsFunc(staffRoles(), p.Allows)
		_, excused := consoleOnly()[p.Operation]
		if staff != (have[p.Operation] || excused) || have[p.Operation] && excused {
			t.Errorf("%s: staff may %t, has a route %t, excused %t", p.Operation, staff, have[p.Operation], excused)
		}
	}
}

// What staff may see is in the types, so that no answer has to be searched.
func TestNoAnswerOfTheAdminAPICanHoldAMerchantsSecret(t *testing.T) {
	for _, r := range api.Routes() {
		c, found := findCall(string(r.Operation))
		if !found {
			t.Fatalf("nothing carries out %s", r.Operation)
		}
		for _, f := range reflect.VisibleFields(c.output) {
			name := strings.ToLower(f.Name)
			secret := strings.Contains(name, "secret") && f.Type.Kind() == reflect.String
			if secret != (r.Operation == controlplane.OpServiceTokenIssue) && (secret || f.Name == "Secret") {
				t.Errorf("the answer to %s has %s", r.Operation, f.Name)
			}
		}
	}
}

func TestAuditNamesTheTokenThatActed(t *testing.T) {
	asvs.Covers(t, "16.2.1", "16.3.2")
	w := newAPIWorld(t)
	m := w.members[controlplane.RolePlatformOperator]
	issued := w.token(m, false)
	if rec := w.ask(http.MethodPost, api.Prefix+"/merchants", issued.Secret.Reveal(), `{"name": "Shop"}`); rec.Code != http.StatusCreated {
		t.Fatalf("HTTP %d %s", rec.Code, rec.Body)
	}
	events, err := w.node.service.ListAudit(t.Context(), operator, controlplane.AuditFilter{Limit: 1})
	check(t, err)
	e := events[0]
	if e.ActorKind != controlplane.ActorStaff || e.ActorID != m.ID || e.ActorName != m.Username+" by "+issued.Token.ID || !strings.HasPrefix(e.RequestID, "req_") {
		t.Errorf("%+v", e)
	}
}

// A cookie is nobody, and a page of a browser gets nothing, whatever it sends.
func TestTheAdminAPIIsNotForBrowsers(t *testing.T) {
	asvs.Covers(t, "3.4.2")
	w := newAPIWorld(t)
	token := w.token(w.members[controlplane.RolePlatformAdmin], true).Secret.Reveal()
	send := func(name, value string, bearer bool) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://console.test"+api.Prefix+"/merchants", nil)
		r.Header.Set(name, value)
		if bearer {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		for name := range rec.Header() {
			if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
				t.Errorf("the answer has %s", name)
			}
		}
		return rec
	}
	if rec := send("Cookie", "__Host-console="+token, false); rec.Code != http.StatusUnauthorized {
		t.Errorf("a cookie: HTTP %d", rec.Code)
	}
	for name, value := range map[string]string{"Origin": "https://console.test", "Sec-Fetch-Site": "same-origin"} {
		if rec := send(name, value, true); rec.Code != http.StatusForbidden {
			t.Errorf("%s: HTTP %d", name, rec.Code)
		}
	}
	if rec := send("Accept", "*/*", true); rec.Code != http.StatusOK || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("a program: HTTP %d %v", rec.Code, rec.Header())
	}
}
