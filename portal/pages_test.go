package portal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// stage is a merchant at one point of its life.
type stage struct {
	name string
	site site
}

// stages are what every page must be able to show: nothing, everything, trouble.
func (w *world) stages() []stage {
	w.Helper()
	suspended := w.busySite("Suspended")
	_, err := w.service.SuspendMerchant(w.Context(), controlplane.LocalActor("root"), suspended.merchant.ID)
	w.must(err)
	all := []stage{{"empty", w.emptySite("Empty")}, {"filled", w.site("Filled")}, {"busy", w.busySite("Busy")}, {"suspended", suspended}}
	for _, st := range all[1:] {
		for _, p := range st.site.users {
			w.enrolled(p)
		}
	}
	return all
}

// testSeed is a seed whose codes the tests can make.
const testSeed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

// enrolled gives a person a second factor without the steps that lead to it.
func (w *world) enrolled(p person) {
	w.Helper()
	id, err := controlplane.NewID("otp_", w.clock.Now(), rand.Reader)
	w.must(err)
	aad := controlplane.TOTPSeedLocation(id, p.merchantID).AAD()
	sealed, err := w.ring.Seal(controlplane.PurposeTOTPSeed, aad, []byte(testSeed))
	w.must(err)
	seed := controlplane.TOTPSeed{ID: id, AccountID: p.id, MerchantID: p.merchantID, Sealed: sealed, CreatedAt: w.clock.Now()}
	w.must(w.db.Update(w.Context(), func(tx controlplane.Tx) error {
		return errors.Join(tx.PutPendingSeed(w.Context(), seed), tx.ConfirmSeed(w.Context(), p.id, id, 1))
	}))
}

// emptySite is a merchant that nothing was done for but its users.
func (w *world) emptySite(name string) site {
	w.Helper()
	m, err := w.service.CreateMerchant(w.Context(), controlplane.LocalActor("root"), controlplane.CreateMerchant{Name: name})
	w.must(err)
	s := site{merchant: m, users: map[controlplane.Role]person{}, seats: map[seatKey]*browser{}}
	for _, role := range merchantRoles() {
		s.users[role] = w.person(m.ID, strings.ToLower(name)+"."+string(role), role)
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
	w.busyWebhooks(&s)
	w.busyRequests(&s)
	return s
}

// refusedAddresses are pages whose question cannot be answered.
func refusedAddresses() []string {
	return []string{"/allowlist/check?ip=shop.example", "/audit?since=yesterday", "/test/webhooks/deliveries?since=yesterday", "/test/requests?ip=shop.example"}
}

func TestEveryPageKeepsTheRules(t *testing.T) {
	asvs.Covers(t, "3.2.2", "3.7.3")
	w := newWorld(t)
	for _, st := range w.stages() {
		for _, state := range States() {
			for _, role := range merchantRoles() {
				t.Run(fmt.Sprintf("%s/%s/%d", st.name, role, state), func(t *testing.T) { w.visitAll(t, st, state, role) })
			}
		}
	}
}

// visitAll opens every page that a session can see, in every language.
func (w *world) visitAll(t *testing.T, st stage, state State, role controlplane.Role) {
	t.Helper()
	b := w.inState(st.site.users[role], state, true)
	for _, r := range w.handler.(*portal).table.rows {
		if r.Method != get || r.States&state == 0 || !r.allows(role) || r.Name == "static" || r.Name == "requests.csv" || st.name == "suspended" && r.permission.Changes {
			continue
		}
		target := r.path(controlplane.Test)
		if !r.addressable() {
			if st.site.keyID == "" || st.site.endpointID == "" {
				continue // there is nothing with an id yet
			}
			target = w.address(cell{route: r}, st.site, st.site)
		}
		w.visit(t, b, target, 200)
	}
	if state == StateActive && role == controlplane.RoleOwner {
		for _, target := range refusedAddresses() {
			w.visit(t, b, target, 422)
		}
	}
}

func (w *world) visit(t *testing.T, b *browser, target string, status int) {
	t.Helper()
	for _, lang := range catalogueOrder() {
		b.cookies[preferencesCookie] = lang + ".auto"
		rec := b.get(target)
		if target == "/test/key/rotate" && rec.Header().Get("Location") == "/test/key/issue" {
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
