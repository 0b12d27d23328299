package portal

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// seat is a user's session with nothing missing.
func (s site) seat(role controlplane.Role) Session {
	return Session{
		ID: "ses_" + string(role), State: StateActive, Sudo: true, UserID: s.users[role], Username: strings.ToLower(s.merchant.Name) + "." + string(role),
		Role: role, MerchantID: s.merchant.ID, MerchantName: s.merchant.Name, SecondFactor: true,
	}
}

// sitIn returns a browser that is signed in.
func (w *world) sitIn(seat Session) *browser {
	token := fmt.Sprintf("seat%d", len(w.seats))
	w.seats[token] = seat
	b := w.browser()
	b.cookies[sessionCookie] = token
	return b
}

// stage is a merchant at one point of its life.
type stage struct {
	name  string
	site  site
	edits func(*Session)
}

// stages are what every page must be able to show: nothing, everything, trouble.
func (w *world) stages() []stage {
	w.Helper()
	none := func(*Session) {}
	return []stage{
		{"empty", w.emptySite("Empty"), func(s *Session) { s.SecondFactor = false }},
		{"filled", w.site("Filled"), none},
		{"busy", w.busySite("Busy"), none},
		{"suspended", w.busySite("Suspended"), func(s *Session) { s.Suspended = true }},
	}
}

// emptySite is a merchant that nothing was done for but its users.
func (w *world) emptySite(name string) site {
	w.Helper()
	local := controlplane.LocalActor("root")
	m, err := w.service.CreateMerchant(w.Context(), local, controlplane.CreateMerchant{Name: name})
	w.must(err)
	s := site{merchant: m, users: map[controlplane.Role]string{}}
	for _, role := range merchantRoles() {
		u, err := w.service.CreateUser(w.Context(), local, controlplane.CreateUser{MerchantID: m.ID, Username: strings.ToLower(name) + "." + string(role), Role: role})
		w.must(err)
		s.users[role] = u.ID
	}
	return s
}

// busySite has lists longer than a page, keys in every state, and hostile notes.
func (w *world) busySite(name string) site {
	w.Helper()
	s, local, ctx := w.site(name), controlplane.LocalActor("root"), w.Context()
	for _, overlap := range []controlplane.Overlap{controlplane.OverlapNone, controlplane.OverlapNone, controlplane.OverlapWeek, controlplane.OverlapDay} {
		w.clock.pass(time.Minute)
		k, err := w.service.RotateKey(ctx, local, controlplane.RotateKey{MerchantID: s.merchant.ID, Environment: controlplane.Test, Overlap: overlap})
		w.must(err)
		uses := []controlplane.KeyUse{{KeyID: k.Replaced.ID, At: w.clock.Now().Add(time.Second), IP: netip.MustParseAddr("203.0.113.9")}}
		w.must(w.service.RecordUse(ctx, controlplane.Use{Keys: uses}))
		s.keyID = k.Key.ID
	}
	for i := range requestsPerPage + 2 {
		w.clock.pass(time.Minute)
		q, err := w.service.RequestAllowlistChange(ctx, local, controlplane.RequestAllowlistChange{
			MerchantID: s.merchant.ID, Action: controlplane.AllowlistAdd, CIDR: fmt.Sprintf("192.0.2.%d", i), Reason: `<script>alert("` + strings.Repeat("ก", 170) + `")</script>`,
		})
		w.must(err)
		in := controlplane.DecideAllowlistRequest{MerchantID: s.merchant.ID, RequestID: q.ID, Answer: "<b>why not</b>"}
		switch i % 3 {
		case 0:
			_, err = w.service.ApproveAllowlistRequest(ctx, local, in)
		case 1:
			_, err = w.service.RejectAllowlistRequest(ctx, local, in)
		}
		w.must(err)
	}
	return s
}

// refusedAddresses are pages whose question cannot be answered.
func refusedAddresses() []string {
	return []string{"/allowlist/check?ip=shop.example", "/audit?since=yesterday"}
}

func TestEveryPageKeepsTheRules(t *testing.T) {
	w := newWorld(t)
	for _, st := range w.stages() {
		for _, state := range States() {
			for _, role := range merchantRoles() {
				seat := st.site.seat(role)
				seat.State = state
				st.edits(&seat)
				t.Run(fmt.Sprintf("%s/%s/%d", st.name, role, state), func(t *testing.T) { w.visitAll(t, st.site, seat) })
			}
		}
	}
}

// visitAll opens every page that a session can see, in every language.
func (w *world) visitAll(t *testing.T, s site, seat Session) {
	t.Helper()
	for _, r := range w.handler.(*portal).table.rows {
		if r.Method != get || r.States&seat.State == 0 || !r.allows(seat.Role) || r.Name == "static" || seat.Suspended && r.permission.Changes {
			continue
		}
		target := r.path(controlplane.Test)
		if !r.addressable() {
			if s.keyID == "" {
				continue // there is nothing with an id yet
			}
			target = w.address(cell{route: r}, s, s)
		}
		w.visit(t, seat, target, 200)
	}
	if seat.State == StateActive && seat.Role == controlplane.RoleOwner {
		for _, target := range refusedAddresses() {
			w.visit(t, seat, target, 422)
		}
	}
}

func (w *world) visit(t *testing.T, seat Session, target string, status int) {
	t.Helper()
	for _, lang := range catalogueOrder() {
		b := w.sitIn(seat)
		b.cookies[preferencesCookie] = lang + ".auto"
		rec := b.get(target)
		if seat.Role != controlplane.RoleViewer && target == "/test/key/rotate" && rec.Header().Get("Location") == "/test/key/issue" {
			continue // there is nothing to rotate yet
		}
		if rec.Code != status || !strings.Contains(rec.Body.String(), `<html lang="`+lang+`"`) {
			t.Fatalf("%s: %d\n%s", target, rec.Code, rec.Body)
		}
		if strings.Contains(rec.Body.String(), "<script>alert") || strings.Contains(rec.Body.String(), "<b>why") {
			t.Errorf("%s: text of a user is markup", target)
		}
		checkPage(t, w, rec)
	}
}
