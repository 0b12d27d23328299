package portal

import (
	"crypto/rand"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
)

// firstSignIn goes through all that stands between staff and the console.
func (b *browser) firstSignIn(p person) (seed string) {
	b.Helper()
	b.to(b.login(p, p.initial), "/password")
	b.to(b.get("/merchants"), "/password")
	b.to(b.changePassword(p.initial, firstPassword), "/account/2fa")
	b.to(b.get("/merchants"), "/account/2fa")
	page := b.get("/account/2fa")
	b.shows(page, 200, "Everyone on the platform team needs it")
	shown := b.post("/account/2fa/begin", url.Values{"once": {b.field(page, "once")}})
	b.shows(shown, 200, `<svg class="qr"`)
	m := regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`).FindStringSubmatch(shown.Body.String())
	if m == nil {
		b.Fatalf("no seed in %s", shown.Body)
	}
	b.shows(b.post("/account/2fa/finish", url.Values{"once": {b.field(shown, "once")}, "code": {b.code(m[1])}}), 200, "Keep these codes")
	return m[1]
}

// confirm goes through sudo.
func (b *browser) confirm(password, seed string) {
	b.Helper()
	b.clock.pass(time.Minute) // a code is spent once
	if rec := b.post("/sudo", url.Values{"password": {password}, "code": {b.code(seed)}}); rec.Code != 303 {
		b.Fatalf("%d\n%s", rec.Code, rec.Body)
	}
}

func TestStaffSignsInCreatesAMerchantAndAllowsAnAddress(t *testing.T) {
	w := newConsole(t)
	b := w.browser()
	seed := b.firstSignIn(w.root())
	b.shows(b.get("/merchants"), 200, "There is no merchant yet")
	made := b.post("/merchants/new", url.Values{"name": {"Chiang Mai Coffee"}})
	href := made.Header().Get("Location")
	b.shows(b.get(href), 200, "Add an owner next")
	b.shows(b.get("/merchants?search=chiang"), 200, href)
	b.shows(b.get("/merchants?search=bangkok"), 200, "Nothing matches")
	b.shows(b.post("/merchants/new", url.Values{"name": {"x"}}), 422, "Write 2 to 100 printable characters")

	b.to(b.get(href+"/allowlist/new"), "/sudo?return_to=merchants.allowlist.new~"+strings.TrimPrefix(href, "/merchants/"))
	b.confirm(firstPassword, seed)
	b.shows(b.post(href+"/allowlist/new", url.Values{"cidr": {"203.0.113.1/24"}, "note": {"office"}}), 422, "203.0.113.0/24")
	b.to(b.post(href+"/allowlist/new", url.Values{"cidr": {"203.0.113.0/24"}, "note": {"office"}}), href+"/allowlist")
	b.shows(b.get(href+"/allowlist"), 200, "203.0.113.0/24")

	b.to(b.post(href+"/suspend", nil), href)
	m, err := w.service.Merchant(w.Context(), controlplane.LocalActor("root"), strings.TrimPrefix(href, "/merchants/"))
	w.must(err)
	if m.State != controlplane.MerchantSuspended {
		t.Errorf("the merchant is %s", m.State)
	}
}

// A session is worth something on the host that it was made on only.
func TestSessionOfAUserIsNoneOfTheConsoleAndViceVersa(t *testing.T) {
	w := newConsole(t)
	staffs := w.seat(w.root(), controlplane.SessionActive, true)
	staffs.shows(staffs.get("/account"), 200, "root")
	users := w.seat(w.owner(), controlplane.SessionActive, true)
	users.to(users.get("/account"), "/login?return_to=account")

	w.build = New
	w.rebuildAccounts(account.Parts{
		Kind: controlplane.ActorUser, Store: w.db, Sealer: w.ring, Hasher: account.NewHasher(account.HasherConfig{}), Clock: w.clock.Now, Random: rand.Reader,
	})
	w.rebuild(func(*Config) {})
	users = w.seat(person{id: w.person(w.merchantID(), "nok", controlplane.RoleOwner).id, merchantID: w.merchantID()}, controlplane.SessionActive, true)
	users.shows(users.get("/account"), 200, "nok")
	staffs.to(staffs.get("/account"), "/login?return_to=account")
	staffs.cookies[sessionCookie] = staffs.cookies[consoleCookie]
	staffs.to(staffs.get("/account"), "/login?return_to=account")
}

// merchantID is that of the newest merchant.
func (w *world) merchantID() string {
	w.Helper()
	all, err := w.service.ListMerchants(w.Context(), controlplane.LocalActor("root"), controlplane.MerchantFilter{})
	w.must(err)
	return all[len(all)-1].ID
}
