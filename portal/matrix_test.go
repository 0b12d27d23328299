package portal

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// site is a merchant with one user of each role and one of everything that has an
// id.
type site struct {
	merchant controlplane.Merchant
	users    map[controlplane.Role]person
	seats    map[seatKey]*browser
	keyID    string
	wishID   string
	// An endpoint with a delivery.
	endpointID, deliveryID string
	requestID              string
}

// seatKey is a standing that cells share, until one of them may have ended it.
type seatKey struct {
	state State
	role  controlplane.Role
	sudo  bool
}

func merchantRoles() []controlplane.Role {
	return []controlplane.Role{controlplane.RoleOwner, controlplane.RoleAdmin, controlplane.RoleOperator, controlplane.RoleViewer}
}

func (w *world) site(name string) site {
	w.Helper()
	local := controlplane.LocalActor("root")
	s := w.emptySite(name)
	m := s.merchant
	for _, env := range []controlplane.Environment{controlplane.Live, controlplane.Test} {
		k, err := w.service.IssueKey(w.Context(), local, controlplane.IssueKey{MerchantID: m.ID, Environment: env})
		w.must(err)
		s.keyID = k.Key.ID
	}
	_, err := w.service.AddAllowlistEntry(w.Context(), local, controlplane.AddAllowlistEntry{MerchantID: m.ID, CIDR: "203.0.113.0/24", Note: "office"})
	w.must(err)
	wish, err := w.service.RequestAllowlistChange(w.Context(), local, controlplane.RequestAllowlistChange{
		MerchantID: m.ID, Action: controlplane.AllowlistAdd, CIDR: "198.51.100.7", Reason: "new server",
	})
	w.must(err)
	s.wishID = wish.ID
	w.addWebhooks(&s)
	s.requestID = w.logged(m.ID)
	return s
}

// idOf fills the {id} of a route with something of a site's. A route with an id
// and no line here fails the matrix: none is skipped.
func (s site) idOf(r Route) (string, bool) {
	switch {
	case strings.HasPrefix(r.Name, "key"):
		return s.keyID, true
	case strings.HasPrefix(r.Name, "allowlist.requests"):
		return s.wishID, true
	case strings.HasPrefix(r.Name, "account.sessions"):
		return "ses_none", true
	case strings.HasPrefix(r.Name, "webhooks"):
		return s.endpointID, true
	case strings.HasPrefix(r.Name, "requests"):
		return s.requestID, true
	case r.Name == "static":
		return "none.css", true
	}
	return "", false
}

// cell is one case of the matrix.
type cell struct {
	route Route
	state State
	role  controlplane.Role
	sudo  bool
	// foreign: the id in the path is another merchant's.
	foreign bool
}

func (c cell) String() string {
	return fmt.Sprintf("%s/state%d/%s/sudo=%t/foreign=%t", c.route.Name, c.state, c.role, c.sudo, c.foreign)
}

// cells are every route × session state × role × confirmation, and whose id if the
// route has one.
func cells(rows []Route, roles []controlplane.Role) (out []cell) {
	for _, r := range rows {
		for _, state := range States() {
			for _, role := range roles {
				for _, sudo := range []bool{false, true} {
					out = append(out, cell{r, state, role, sudo, false})
					if strings.Contains(r.Path, "{id}") {
						out = append(out, cell{r, state, role, sudo, true})
					}
				}
			}
		}
	}
	return out
}

func TestEveryRouteStateRoleAndMerchant(t *testing.T) {
	asvs.Covers(t, "3.5.3", "6.3.4", "7.2.1", "7.6.2", "8.2.1", "8.2.2", "8.2.3", "8.3.1", "8.4.1")
	w := newWorld(t)
	own, other := w.site("Own"), w.site("Other")
	for _, p := range own.users {
		w.enrolled(p)
	}
	rows := w.handler.(*portal).table.rows
	for _, c := range cells(rows, merchantRoles()) {
		b := w.sit(c, own)
		before := w.version()
		rec, target := w.try(b, c, own, other)
		w.judge(c, rec, target)
		if w.version() == before {
			continue
		}
		if c.route.Method == get {
			t.Errorf("%s: a GET changed the database", c)
		}
		if why := c.refusal(); why != "" && why != "role" {
			t.Errorf("%s: was refused (%s) and changed the database", c, why)
		}
	}
}

// sit gives a cell its browser. One that has sent a form is not used again: it may
// have signed out.
func (w *world) sit(c cell, own site) *browser {
	w.Helper()
	key := seatKey{c.state, c.role, c.sudo}
	b := own.seats[key]
	if b == nil {
		b = w.inState(own.users[c.role], c.state, c.sudo)
		own.seats[key] = b
	}
	if c.route.Method == post {
		delete(own.seats, key)
	}
	return b
}

// try sends the request of a cell.
func (w *world) try(b *browser, c cell, own, other site) (*httptest.ResponseRecorder, string) {
	w.Helper()
	target := w.address(c, own, other)
	if c.route.Method == get {
		return b.get(target), target
	}
	return b.post(target, url.Values{"once": {strings.Repeat("0", 32)}}), target
}

func (w *world) address(c cell, own, other site) string {
	w.Helper()
	target := c.route.path(controlplane.Test)
	if !strings.Contains(target, "{") {
		return target
	}
	whose := own
	if c.foreign {
		whose = other
	}
	id, known := whose.idOf(c.route)
	if !known {
		w.Fatalf("the matrix has no id for the route %s: add one to site.idOf", c.route.Name)
	}
	target, _ = fill(target, id)
	if strings.Contains(target, "{did}") {
		target, _ = fill(target, whose.deliveryID)
	}
	return target
}

// refusal says which rule of the table refuses a cell; empty: none does.
func (c cell) refusal() string {
	switch {
	case c.route.States&c.state == 0:
		return "state"
	case c.state != StateAnonymous && !c.route.allows(c.role):
		return "role"
	case c.state == StateActive && c.route.NeedsSudo() && !c.sudo:
		return "sudo"
	}
	return ""
}

// judge holds an answer against what the table says, worked out anew from it.
func (w *world) judge(c cell, rec *httptest.ResponseRecorder, target string) {
	w.Helper()
	to, _, _ := strings.Cut(rec.Header().Get("Location"), "?")
	p := w.handler.(*portal)
	switch c.refusal() {
	case "state":
		if want := p.table.byName[p.home(c.state)].path(""); rec.Code != http.StatusSeeOther || to != want {
			w.Errorf("%s: %d to %q; want to be led to %q", c, rec.Code, to, want)
		}
	case "role":
		if rec.Code != http.StatusForbidden {
			w.Errorf("%s: %d; want 403", c, rec.Code)
		}
	case "sudo":
		if rec.Code != http.StatusSeeOther || to != "/sudo" {
			w.Errorf("%s: %d to %q; want /sudo", c, rec.Code, to)
		}
	default:
		w.judgeAdmitted(c, rec, target)
	}
}

// judgeAdmitted: whom the table admits is neither refused nor sent elsewhere, and
// another merchant's id is not found.
func (w *world) judgeAdmitted(c cell, rec *httptest.ResponseRecorder, target string) {
	w.Helper()
	named := strings.Contains(c.route.Path, "{id}")
	switch {
	case rec.Code >= http.StatusInternalServerError || rec.Code == http.StatusForbidden:
		w.Errorf("%s: %s answered %d\n%s", c, target, rec.Code, rec.Body)
	case c.foreign && named && !strings.HasPrefix(c.route.Name, "account.") && rec.Code != http.StatusNotFound:
		w.Errorf("%s: another merchant's id answered %d", c, rec.Code)
	case c.route.Method == get && c.route.Name != "static" && !(c.foreign && named) && rec.Code != http.StatusOK:
		w.Errorf("%s: %s answered %d\n%s", c, target, rec.Code, rec.Body)
	}
}

// An id of another merchant must answer with the very bytes of an unknown one.
func TestForeignIDsAnswerLikeUnknownOnes(t *testing.T) {
	asvs.Covers(t, "8.2.2")
	w := newWorld(t)
	w.rebuild(func(c *Config) { c.RequestID = func(*http.Request) string { return "req_same" } })
	own, other := w.site("Own"), w.site("Other")
	unknown := other
	unknown.keyID = "unk_test_" + strings.Repeat("0", 22)
	unknown.wishID = controlplane.PrefixAllowlistRequest + strings.Repeat("0", 26)
	unknown.endpointID = controlplane.PrefixEndpoint + strings.Repeat("0", 26)
	unknown.requestID = controlplane.PrefixRequest + strings.Repeat("0", 26)
	unknown.deliveryID = controlplane.PrefixDelivery + strings.Repeat("0", 26)
	for _, r := range w.handler.(*portal).table.rows {
		if !strings.Contains(r.Path, "{id}") || strings.HasPrefix(r.Name, "account.") {
			continue
		}
		c := cell{r, StateActive, controlplane.RoleOwner, true, true}
		foreign, _ := w.try(w.sit(c, own), c, own, other)
		nobodys, _ := w.try(w.sit(c, own), c, own, unknown)
		if foreign.Code != nobodys.Code || foreign.Body.String() != nobodys.Body.String() {
			t.Errorf("%s: a foreign id answers %d, an unknown one %d", r.Name, foreign.Code, nobodys.Code)
		}
	}
}
