package portal

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// office is the platform with one member of staff of each role, and one of everything
// that has an id.
type office struct {
	site
	target  person // a member whom nothing was done to
	entryID string
	// unknownID is a request that was refused without a key that is known.
	unknownID string
	tokenID   string
	// asked are approvals by who asked for them; "" is somebody else.
	asked map[controlplane.Role]string
}

func (w *world) office() office {
	w.Helper()
	local := controlplane.LocalActor("root")
	o := office{site: w.site("Shop"), asked: map[controlplane.Role]string{}}
	users := o.users
	o.target = w.member("target", controlplane.RoleAuditor)
	w.enrolled(o.target)
	w.enrolled(users[controlplane.RoleOwner])
	o.users = map[controlplane.Role]person{controlplane.RoleOwner: users[controlplane.RoleOwner]}
	for _, role := range platform().roles {
		o.users[role] = w.member(strings.ReplaceAll(string(role), "_", "."), role)
		w.enrolled(o.users[role])
		o.asked[role] = w.asked(o.merchant.ID, o.users[role].id)
	}
	o.unknownID = w.logged("")
	o.asked[""] = w.asked(o.merchant.ID, "stf_other")
	entries, err := w.service.ListAllowlist(w.Context(), local, o.merchant.ID)
	w.must(err)
	o.entryID = entries[0].ID
	token, err := w.service.IssueServiceToken(w.Context(), local, controlplane.IssueServiceToken{Name: "ledger"})
	w.must(err)
	o.tokenID = token.Token.ID
	return o
}

// asked is a change that waits, asked for by somebody.
func (w *world) asked(merchantID, byID string) string {
	w.Helper()
	id, err := controlplane.NewID(controlplane.PrefixApproval, w.clock.Now(), rand.Reader)
	w.must(err)
	input, err := json.Marshal(controlplane.AddAllowlistEntry{MerchantID: merchantID, CIDR: "192.0.2.200", Note: id})
	w.must(err)
	w.must(w.db.Update(w.Context(), func(tx controlplane.Tx) error {
		return tx.InsertApproval(w.Context(), controlplane.Approval{
			ID: id, MerchantID: merchantID, Operation: controlplane.OpAllowlistAdd, Input: input, State: controlplane.ApprovalPending,
			CreatedAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(controlplane.ApprovalLife), CreatedByID: byID, CreatedBy: "asker",
		})
	}))
	return id
}

// fill puts ids into a path; with unknown, ids that nothing has. A wildcard without a
// line here stays, and fails the matrix: none is skipped.
func (o office) fill(c cell) string {
	ids := map[string]string{
		"uid": o.users[controlplane.RoleOwner].id, "eid": o.entryID, "rid": o.wishID, "did": o.deliveryID, "file": "none.css",
	}
	thing, _, _ := strings.Cut(c.route.Name, ".")
	switch c.route.Name {
	case "merchants.requests.request":
		ids["rid"] = o.requestID
	case "unknown.request":
		ids["rid"] = o.unknownID
	}
	switch {
	case thing == "approvals" && strings.Contains(c.route.Name, "withdraw"):
		ids["id"] = o.asked[c.role]
	default:
		ids["id"] = map[string]string{
			"merchants": o.merchant.ID, "staff": o.target.id, "approvals": o.asked[""], "tokens": o.tokenID, "account": "ses_none",
		}[thing]
	}
	path := c.route.path("")
	for _, name := range wildcards(path) {
		id := ids[name]
		if c.foreign && name != "file" {
			id = "x" + strings.Repeat("0", 26)
		}
		if id != "" {
			path = strings.Replace(path, "{"+name+"}", id, 1)
		}
	}
	return path
}

func TestEveryConsoleRouteStateAndRole(t *testing.T) {
	asvs.Covers(t, "6.3.4", "7.2.1", "8.2.1", "8.2.2", "8.3.1", "8.4.1")
	w := newConsole(t)
	o := w.office()
	all := cells(w.handler.(*portal).table.rows, platform().roles)
	// Looking comes first: afterwards there is less to look at.
	slices.SortStableFunc(all, func(a, b cell) int { return strings.Compare(a.route.Method, b.route.Method) })
	for _, c := range all {
		b := w.sit(c, o.site)
		target := o.fill(c)
		if strings.Contains(target, "{") {
			t.Fatalf("the matrix has no id for %s: add one to office.fill", target)
		}
		before := w.version()
		var rec *httptest.ResponseRecorder
		if c.route.Method == get {
			rec = b.get(target)
		} else {
			rec = b.post(target, url.Values{"once": {strings.Repeat("0", 32)}})
		}
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

// Every page of the console is sound HTML in both languages, and shows staff nothing
// that is a merchant's secret.
func TestConsolePagesAreSound(t *testing.T) {
	w := newConsole(t)
	o := w.office()
	for _, lang := range catalogueOrder() {
		b := w.seat(o.users[controlplane.RolePlatformAdmin], controlplane.SessionActive, true)
		b.cookies[preferencesCookie] = lang + ".auto"
		for _, r := range w.handler.(*portal).table.rows {
			if r.Method != get || r.States&StateActive == 0 || r.Name == "static" {
				continue
			}
			rec := b.get(o.fill(cell{route: r, role: controlplane.RolePlatformAdmin}))
			if rec.Code != http.StatusOK {
				t.Errorf("%s: %d\n%s", r.Name, rec.Code, rec.Body)
				continue
			}
			checkPage(t, w, rec)
			if strings.Contains(rec.Body.String(), "unks_") {
				t.Errorf("%s shows a secret", r.Name)
			}
		}
	}
}
