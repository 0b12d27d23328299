package portal

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func (w *world) rootSeat() *browser {
	w.Helper()
	return w.seat(w.root(), controlplane.SessionActive, true)
}

func TestPastedListIsShownBeforeItIsAdded(t *testing.T) {
	w := newConsole(t)
	b, s := w.rootSeat(), w.emptySite("Shop")
	list := "/merchants/" + s.merchant.ID + "/allowlist"
	bad := b.post(list+"/import", url.Values{"text": {"203.0.113.0/24 office\n203.0.113.1/24 host bits\n192.0.2.1"}})
	b.wants(bad, 422, "1 would be added, 2 lines are wrong", "203.0.113.0/24, or the single address", "This is missing")
	b.wants(b.post(list+"/import", url.Values{"text": {"203.0.113.1/24 host bits"}, "add": {"1"}}), 422, "1 lines have to be put right")
	good := url.Values{"text": {"203.0.113.0/24 office\n192.0.2.1"}, "note": {"cloud"}}
	b.wants(b.post(list+"/import", good), 200, "2 would be added, 0 lines are wrong", `name="add"`)
	b.wants(b.get(list), 200, "every request of this merchant is refused") // looking adds nothing
	good.Set("add", "1")
	b.to(b.post(list+"/import", good), list)
	b.wants(b.get(list), 200, "203.0.113.0/24", "192.0.2.1/32", "cloud")
}

func TestGeneratedPasswordIsShownOnce(t *testing.T) {
	w := newConsole(t)
	b, s := w.rootSeat(), w.emptySite("Shop")
	form := "/merchants/" + s.merchant.ID + "/users/new"
	values := url.Values{"once": {strings.Repeat("a", 32)}, "username": {"Nok"}, "role": {"admin"}}
	shown := b.post(form, values)
	b.wants(shown, 200, "It is not shown again")
	if !regexp.MustCompile(`<code>[a-hjkmnp-z2-9]{20}</code>`).MatchString(shown.Body.String()) || shown.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%v\n%s", shown.Header(), shown.Body)
	}
	b.wants(b.post(form, values), 409, "This was done already")
	values.Set("once", strings.Repeat("b", 32))
	b.wants(b.post(form, values), 422, "This username is taken")
}

func TestTwoPeopleAreNeededInTheConsole(t *testing.T) {
	w := newConsole(t)
	b, s := w.rootSeat(), w.site("Shop")
	bob := w.member("bob", controlplane.RolePlatformAdmin)
	form := "/merchants/" + s.merchant.ID + "/allowlist/new"
	add := url.Values{"cidr": {"192.0.2.9"}, "note": {"new server"}}
	b.wants(b.post(form, add), 422, "no other platform admin with a second factor")
	w.enrolled(bob)
	b.to(b.post(form, add), "/approvals")
	page := b.get("/approvals")
	b.wants(page, 200, "another platform admin has to approve it", "Add to the allowlist")
	approval := regexp.MustCompile(`/approvals/apr_\w+`).FindString(page.Body.String())
	b.wants(b.get(approval), 200, "You asked for this", approval+"/withdraw")
	b.wants(b.post(approval+"/approve", url.Values{"once": {strings.Repeat("a", 32)}}), 403)

	c := w.seat(bob, controlplane.SessionActive, true)
	c.wants(c.get("/"), 200, approval)
	c.to(c.post(approval+"/approve", url.Values{"once": {strings.Repeat("a", 32)}}), "/approvals")
	c.wants(c.get("/merchants/"+s.merchant.ID+"/allowlist"), 200, "192.0.2.9/32")

	add.Set("cidr", "192.0.2.10")
	add.Set("break_glass", "payments stand still")
	b.to(b.post(form, add), "/merchants/"+s.merchant.ID+"/allowlist")
	c.wants(c.get("/"), 200, "Done without a second pair of eyes", "payments stand still")
	w.clock.pass(controlplane.BreakGlassShown + time.Second)
	c = w.seat(bob, controlplane.SessionActive, true)
	if rec := c.get("/"); strings.Contains(rec.Body.String(), "payments stand still") {
		t.Error("shown for longer than 30 days")
	}
}

func TestNobodyChangesTheirOwnAccountAsStaff(t *testing.T) {
	w := newConsole(t)
	root := w.root()
	b := w.seat(root, controlplane.SessionActive, true)
	if page := b.get("/staff/" + root.id).Body.String(); !strings.Contains(page, "This is you") || strings.Contains(page, "/disable") {
		t.Error(page)
	}
	b.wants(b.post("/staff/"+root.id+"/disable", nil), 409, "your own account")
}

func TestSystemPageSaysWhichServersNeedALook(t *testing.T) {
	w := newConsole(t)
	b := w.rootSeat()
	b.wants(b.get("/system"), 200, "edge &lt;1&gt;", "<code>nod_1</code>", "gateway, portal, console, events, delivery", "Shows this page", "Well",
		"Silent", "Lags behind", "Another version", "Remembers nonces for itself: use replay redis")
}
