package caddymodule

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// offices is a site whose secure host serves the gateway, the portal below one name and
// the console below another.
func offices(s *site) {
	s.named = `
https://portal.gateway.test:` + port(s.secure) + ` {
	bind 127.0.0.1
	tls ` + s.dir + `/cert.pem ` + s.dir + `/key.pem
	merchant_portal
}
https://console.gateway.test:` + port(s.secure) + ` {
	bind 127.0.0.1
	tls ` + s.dir + `/cert.pem ` + s.dir + `/key.pem
	merchant_console
}
`
}

// clerk is a person at a browser, on one of the hosts.
type clerk struct {
	*visitor
	host     string
	password string
	seed     string
	// spent is the newest code that was used: each works once.
	spent string
}

const clerksPassword = "tunnel biscuit orbit 9"

func (s *site) clerk(host string) *clerk { return &clerk{visitor: s.visitor(), host: host} }

func (c *clerk) ask(method, path string, form url.Values) (status int, at, body string) {
	c.t.Helper()
	r, err := http.NewRequest(method, "https://"+c.host+":"+port(c.secure)+path, strings.NewReader(form.Encode()))
	check(c.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	a, err := c.client.Do(r)
	check(c.t, err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	check(c.t, err)
	return a.StatusCode, a.Request.URL.Path, string(text)
}

// sees visits a page and finds a text.
func (c *clerk) sees(path, text string) string {
	c.t.Helper()
	status, at, body := c.ask("GET", path, nil)
	if status != 200 || !strings.Contains(body, text) {
		c.t.Fatalf("%s: %d at %s without %q\n%s", path, status, at, text, body)
	}
	return body
}

// sends fills in the form on a page, with what is hidden in it, and ends at a page with
// a text.
func (c *clerk) sends(path string, fields url.Values, text string) (at, body string) {
	c.t.Helper()
	page := c.sees(path, "<form")
	if fields == nil {
		fields = url.Values{}
	}
	if once := regexp.MustCompile(`name="once" value="(\w+)"`).FindStringSubmatch(page); once != nil {
		fields.Set("once", once[1])
	}
	status, at, body := c.ask("POST", path, fields)
	if !strings.Contains(body, text) {
		c.t.Fatalf("POST %s: %d at %s without %q\n%s", path, status, at, text, body)
	}
	return at, body
}

// signsIn for the first time: a password of one's own, then an authenticator app.
func (c *clerk) signsIn(username, initial string) {
	c.t.Helper()
	c.sends("/login", url.Values{"username": {username}, "password": {initial}}, `action="/password"`)
	c.password = clerksPassword + username
	_, page := c.sends("/password", url.Values{"current": {initial}, "new": {c.password}, "repeat": {c.password}}, "")
	if c.host != "console.gateway.test" {
		return
	}
	once := regexp.MustCompile(`name="once" value="(\w+)"`).FindStringSubmatch(page)
	if once == nil {
		c.t.Fatalf("no enrolment: %s", page)
	}
	_, _, shown := c.ask("POST", "/account/2fa/begin", url.Values{"once": {once[1]}})
	c.seed = strings.ReplaceAll(regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`).FindStringSubmatch(shown)[1], " ", "")
	once = regexp.MustCompile(`name="once" value="(\w+)"`).FindStringSubmatch(shown)
	_, _, codes := c.ask("POST", "/account/2fa/finish", url.Values{"once": {once[1]}, "code": {c.code()}})
	if !strings.Contains(codes, "Keep these codes") {
		c.t.Fatalf("not enrolled: %s", codes)
	}
}

// code is one that was not used: of now, or of the step that comes, which clocks that
// are slow allow for.
func (c *clerk) code() string {
	c.t.Helper()
	at := time.Now()
	code, err := totp.GenerateCode(c.seed, at)
	check(c.t, err)
	if code == c.spent {
		code, err = totp.GenerateCode(c.seed, at.Add(30*time.Second))
		check(c.t, err)
	}
	c.spent = code
	return code
}

// confirms that it is them.
func (c *clerk) confirms() {
	c.t.Helper()
	c.sends("/sudo", url.Values{"password": {c.password}, "code": {c.code()}}, "Confirmed for 10 minutes")
}

func found(t testing.TB, pattern, text string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("nothing matches %s in\n%s", pattern, text)
	}
	return html.UnescapeString(m[1])
}

// handedOver is the password that a page shows once.
func handedOver(t testing.TB, page string) string {
	t.Helper()
	return found(t, `<code>([a-hjkmnp-z2-9]{20})</code>`, page)
}

// TestFromBootstrapToSuspension is the life of a merchant as the platform's people see
// it: what two of them have to agree on, and what a request meets meanwhile.
func TestFromBootstrapToSuspension(t *testing.T) {
	s := startSite(t, offices)
	first, err := s.node().service.BootstrapStaff(context.Background(), operator, controlplane.BootstrapStaff{Username: "ann"})
	check(t, err)
	ann, bob, olga := s.clerk("console.gateway.test"), s.clerk("console.gateway.test"), s.clerk("portal.gateway.test")
	for _, c := range []*clerk{ann, bob, olga} {
		defer c.client.CloseIdleConnections()
	}
	ann.signsIn("ann", first.InitialPassword.Reveal())

	// A merchant with an owner, and a colleague.
	ann.confirms()
	merchantPage, _ := ann.sends("/merchants/new", url.Values{"name": {"Chiang Mai Coffee"}}, "Add an owner next")
	_, page := ann.sends(merchantPage+"/users/new", url.Values{"username": {"olga"}, "role": {"owner"}}, "It is not shown again")
	olga.signsIn("olga", handedOver(t, page))
	_, page = ann.sends("/staff/new", url.Values{"username": {"bob"}, "role": {"platform_admin"}}, "It is not shown again")
	bob.signsIn("bob", handedOver(t, page))

	// The owner issues a live key and asks for an address.
	olga.sends("/sudo", url.Values{"password": {olga.password}}, "Confirmed for 10 minutes")
	_, page = olga.sends("/live/key/issue", nil, "It is not shown again")
	m := merchant{id: strings.TrimPrefix(merchantPage, "/merchants/"), keyID: found(t, `<code>(unk_live_\w+)</code>`, page), secret: found(t, `<code>(unks_live_\w+)</code>`, page)}
	m.signer, err = signature.NewSigner(m.keyID, m.secret)
	check(t, err)
	s.inForce()
	s.wantRefused(s.do(s.request(m, "POST", "/v1/payments", `{"amount":1}`)), 403, "IP_NOT_ALLOWED")
	olga.sends("/allowlist/requests/new", url.Values{"action": {"add"}, "cidr": {"127.0.0.1"}, "reason": {"our server"}}, "with the platform team")

	// One member of staff approves, which is not enough.
	request := found(t, `href="(/merchants/\w+/allowlist/requests/\w+)/approve"`, ann.sees("/queue", "our server"))
	at, page := ann.sends(request+"/approve", nil, "another platform admin has to approve it")
	approval := found(t, `href="(/approvals/apr_\w+)"`, page)
	if at != "/approvals" {
		t.Errorf("led to %s", at)
	}
	s.inForce()
	s.wantRefused(s.do(s.request(m, "POST", "/v1/payments", `{"amount":1}`)), 403, "IP_NOT_ALLOWED")
	if status, _, body := ann.ask("POST", approval+"/approve", url.Values{"once": {strings.Repeat("0", 32)}}); status != 403 {
		t.Errorf("who asked approves: %d\n%s", status, body)
	}

	bob.confirms()
	// The second pair of eyes lets the request pass, within a second.
	bob.sees(approval, "127.0.0.1/32")
	bob.sends(approval+"/approve", nil, "Approved and carried out")
	s.inForce()
	s.wantPassed(s.do(s.request(m, "POST", "/v1/payments", `{"amount":1}`)))
	olga.sees("/allowlist", "127.0.0.1/32")

	// Suspended, every request is refused.
	bob.sends(merchantPage+"/suspend", nil, "The merchant is suspended")
	s.inForce()
	s.wantRefused(s.do(s.request(m, "POST", "/v1/payments", `{"amount":1}`)), 401, "KEY_INVALID")
	olga.sees("/", "Your merchant account is suspended")

	ann.sees("/audit/verify", "rows are as they were written")
	ann.sees("/system", "Snapshot confirmed")
	// A session of the portal is none of the console, and the reverse.
	for name, c := range map[string]*clerk{"user": olga, "staff": ann} {
		other := map[string]string{"user": "console.gateway.test", "staff": "portal.gateway.test"}[name]
		if status, at, _ := (&clerk{visitor: c.visitor, host: other}).ask("GET", "/account", nil); status != 200 || at != "/login" {
			t.Errorf("%s on the other host: %d at %s", name, status, at)
		}
	}
}
