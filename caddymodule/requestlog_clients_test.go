package caddymodule

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
	"github.com/unknownpay/merchant-gateway/portal"
)

// native is a request that is about to be signed by UNK1, by a few naive lines of
// its own.
type native struct {
	method, target, host, body string
	timestamp, nonce, keyID    string
	secret                     []byte
	lines                      []string // what is signed
}

func (s *site) native(m merchant) *native {
	s.t.Helper()
	nonce, err := signature.NewNonce(rand.Reader)
	check(s.t, err)
	return &native{
		method: "POST", target: "/v1/pay?b=2&a=1", host: "gateway.test:" + port(s.plain), body: `{"amount": 1}`,
		timestamp: strconv.FormatInt(time.Now().Unix(), 10), nonce: nonce, keyID: m.keyID, secret: []byte(m.secret),
	}
}

// compose writes the lines down, for a client to get wrong.
func (c *native) compose() {
	sum := sha256.Sum256([]byte(c.body))
	c.lines = []string{"UNK1-HMAC-SHA256", c.timestamp, c.nonce, c.method, c.host, c.target, hex.EncodeToString(sum[:])}
}

func (c *native) signed() *raw {
	mac := hmac.New(sha256.New, c.secret)
	mac.Write([]byte(strings.Join(c.lines, "\n")))
	r := &raw{method: c.method, target: c.target, host: c.host, body: c.body}
	r.add("X-Unk-Key", c.keyID)
	r.add("X-Unk-Timestamp", c.timestamp)
	r.add("X-Unk-Nonce", c.nonce)
	r.add("X-Unk-Signature", "v1="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

// wrongClient makes one mistake: before the lines are written, in a line, or after
// it has signed.
type wrongClient struct {
	name string
	// code and cause are what the page must name; the cause alone if it has texts of
	// its own.
	code, cause string
	before      func(*native)
	line        func(*native)
	after       func(*raw)
	standard    func(*standard)
	whose       func(w *wrongWorld) *tenant
	prefix      string // of the path, for the route
	says        string // something else that the page must say
}

// tenant is a merchant with somebody who looks at its pages.
type tenant struct {
	merchant
	env    controlplane.Environment
	people map[controlplane.Role]*visitor
}

type wrongWorld struct {
	*site
	main, live, elsewhere, empty, old, suspended *tenant
}

func lineOf(i int, text func(*native) string) func(*native) {
	return func(c *native) { c.lines[i] = text(c) }
}

func hashLine(body func(string) string) func(*native) {
	return lineOf(6, func(c *native) string {
		sum := sha256.Sum256([]byte(body(c.body)))
		return hex.EncodeToString(sum[:])
	})
}

func wrongClients() []wrongClient {
	shifted := func(d time.Duration) func(*native) {
		return func(c *native) { c.timestamp = strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	}
	return []wrongClient{
		{name: "leaves the query out", code: "SIGNATURE_MISMATCH", cause: "query_left_out", line: lineOf(5, func(*native) string { return "/v1/pay" })},
		{name: "sorts the query", code: "SIGNATURE_MISMATCH", cause: "query_sorted", line: lineOf(5, func(*native) string { return "/v1/pay?a=1&b=2" })},
		{name: "decodes the path", code: "SIGNATURE_MISMATCH", cause: "path_decoded", before: func(c *native) { c.target = "/v1/caf%C3%A9" }, line: lineOf(5, func(*native) string { return "/v1/café" })},
		{name: "sends a line break that it did not sign", code: "SIGNATURE_MISMATCH", cause: "body_newline_added", after: func(r *raw) { r.body += "\n" }},
		{name: "signs a line break that it does not send", code: "SIGNATURE_MISMATCH", cause: "body_newline_removed", line: hashLine(func(b string) string { return b + "\n" })},
		{name: "sends CRLF for LF", code: "SIGNATURE_MISMATCH", cause: "body_line_endings", before: func(c *native) { c.body = "{\r\n}" }, line: hashLine(func(string) string { return "{\n}" })},
		{name: "signs the hash of nothing", code: "SIGNATURE_MISMATCH", cause: "body_empty_hash", line: hashLine(func(string) string { return "" })},
		{name: "re-serialises the body", code: "SIGNATURE_MISMATCH", cause: "body_json_compact", line: hashLine(func(string) string { return `{"amount":1}` })},
		{name: "signs the method in lower case", code: "SIGNATURE_MISMATCH", cause: "method_lower_case", line: lineOf(3, func(*native) string { return "post" })},
		{name: "signs the host without its port", code: "SIGNATURE_MISMATCH", cause: "host_port", line: lineOf(4, func(*native) string { return "gateway.test" })},
		{name: "signs milliseconds", code: "SIGNATURE_MISMATCH", cause: "timestamp_milliseconds", line: lineOf(1, func(c *native) string { return c.timestamp + "123" })},
		{name: "base64-decodes the secret", code: "SIGNATURE_MISMATCH", cause: "secret_base64_decoded", before: func(c *native) {
			text := strings.ReplaceAll(string(c.secret), "_", "/")
			if len(text)%4 == 1 { // lenient libraries drop what is no whole byte
				text = text[:len(text)-1]
			}
			c.secret, _ = base64.RawStdEncoding.DecodeString(text) // letters, digits and slashes
		}},
		{name: "signs with the live secret", code: "SIGNATURE_MISMATCH", cause: "secret_other_environment", whose: func(w *wrongWorld) *tenant {
			return &tenant{merchant{w.main.id, w.main.keyID, w.live.secret, nil}, controlplane.Test, w.main.people}
		}},
		{name: "signs something else", code: "SIGNATURE_MISMATCH", line: lineOf(2, func(*native) string { return "another" }), says: "UNK1-HMAC-SHA256"},
		{name: "signs something else with a live key", code: "SIGNATURE_MISMATCH", cause: "live_mismatch", whose: func(w *wrongWorld) *tenant { return w.live }, line: lineOf(2, func(*native) string { return "another" })},
		{name: "sends milliseconds", code: "TIMESTAMP_INVALID", cause: "timestamp_milliseconds", before: func(c *native) { c.timestamp += "123" }},
		{name: "sends a date", code: "TIMESTAMP_INVALID", cause: "timestamp_date", before: func(c *native) { c.timestamp = time.Now().UTC().Format(time.RFC3339) }},
		{name: "sends upper-case hex", code: "AUTH_MALFORMED", cause: "signature_upper_case", after: func(r *raw) { r.fields[3][1] = "v1=" + strings.ToUpper(r.fields[3][1][3:]) }},
		{name: "sends base64", code: "AUTH_MALFORMED", cause: "signature_base64", after: func(r *raw) {
			mac, _ := hex.DecodeString(r.fields[3][1][3:]) // it was encoded above
			r.fields[3][1] = "v1=" + base64.StdEncoding.EncodeToString(mac)
		}},
		{name: "forgets the nonce", code: "AUTH_MALFORMED", cause: "missing", after: dropped("X-Unk-Nonce"), says: "X-Unk-Nonce"},
		{name: "sends a header twice", code: "AUTH_MALFORMED", cause: "repeated", after: sentTwice("X-Unk-Timestamp"), says: "X-Unk-Timestamp"},
		{name: "has a slow clock", code: "TIMESTAMP_OUT_OF_RANGE", cause: "clock_behind", before: shifted(-time.Hour), says: "seconds behind the gateway"},
		{name: "has a fast clock", code: "TIMESTAMP_OUT_OF_RANGE", cause: "clock_ahead", before: shifted(time.Hour), says: "seconds ahead of the gateway"},
		{name: "sends from elsewhere", code: "IP_NOT_ALLOWED", whose: func(w *wrongWorld) *tenant { return w.elsewhere }, says: "In none of the entries. The list has 1 now."},
		{name: "has no allowlist", code: "IP_NOT_ALLOWED", cause: "empty_allowlist", whose: func(w *wrongWorld) *tenant { return w.empty }},
		{name: "uses the live key at the test address", code: "ENV_MISMATCH", prefix: "/only", whose: func(w *wrongWorld) *tenant { return w.live }},
		{name: "uses a revoked key", code: "KEY_INVALID", cause: "revoked", whose: func(w *wrongWorld) *tenant { return w.old }},
		{name: "is suspended", code: "KEY_INVALID", cause: "merchant_suspended", whose: func(w *wrongWorld) *tenant { return w.suspended }},
		{name: "sends the same nonce again", code: "REQUEST_REPLAYED", before: func(c *native) { c.nonce = "used-before-by-the-test" }},
		{name: "sends too much", code: "BODY_TOO_LARGE", before: func(c *native) { c.body = strings.Repeat("x", 2049) }, says: "2048 bytes"},
		{name: "covers too little", code: "COVERAGE_INSUFFICIENT", standard: covered(`"@method" "@authority" "@path" "content-digest"`), says: "@query"},
		{name: "sends another digest", code: "DIGEST_MISMATCH", standard: field("Content-Digest", digestOf("something else"))},
	}
}

// send makes the client's request and returns the id that it was told.
func (w *wrongWorld) send(c wrongClient) (id string) {
	w.t.Helper()
	whose := w.main
	if c.whose != nil {
		whose = c.whose(w)
	}
	var r *raw
	if c.standard != nil {
		s := w.standard(whose.merchant, h1)
		c.standard(s)
		r = s.signed()
	} else {
		n := w.native(whose.merchant)
		n.target = c.prefix + n.target
		if c.before != nil {
			c.before(n)
		}
		n.compose()
		if c.line != nil {
			c.line(n)
		}
		r = n.signed()
	}
	if c.after != nil {
		c.after(r)
	}
	a, err := r.http1(w.plain)
	check(w.t, err)
	var told struct {
		Error struct {
			Code string
			ID   string `json:"request_id"`
		}
	}
	if err := json.Unmarshal([]byte(a.body), &told); err != nil || told.Error.Code != c.code {
		w.t.Fatalf("%s: answered %d %s", c.name, a.status, a.body)
	}
	return told.Error.ID
}

// tenant makes a merchant with an owner, an operator and a viewer, who have signed
// in.
func (s *site) tenant(env controlplane.Environment, cidrs ...string) *tenant {
	s.t.Helper()
	return s.staffed(s.merchant(env, cidrs...), env)
}

func (s *site) staffed(m merchant, env controlplane.Environment) *tenant {
	s.t.Helper()
	n := &tenant{m, env, map[controlplane.Role]*visitor{}}
	for _, role := range []controlplane.Role{controlplane.RoleOperator, controlplane.RoleViewer} {
		n.people[role] = s.signIn(m.id, role)
	}
	return n
}

// signIn makes a user and takes their way to the overview.
func (s *site) signIn(merchantID string, role controlplane.Role) *visitor {
	s.t.Helper()
	username := string(role) + "." + merchantID[len("mer_"):]
	made, err := s.node().service.CreateUser(s.t.Context(), operator, controlplane.CreateUser{MerchantID: merchantID, Username: username, Role: role})
	check(s.t, err)
	v := s.visitor()
	s.t.Cleanup(v.client.CloseIdleConnections)
	_, at, body := v.visit("POST", "/login", url.Values{"username": {username}, "password": {made.InitialPassword.Reveal()}})
	if at != "/password" {
		s.t.Fatalf("signed in to %s: %s", at, body)
	}
	fields := url.Values{}
	for _, name := range regexp.MustCompile(`<input[^>]* name="(\w+)"`).FindAllStringSubmatch(body, -1) {
		fields.Set(name[1], "a rather long passphrase 7")
	}
	if fields.Has("current") {
		fields.Set("current", made.InitialPassword.Reveal())
	}
	if status, at, body := v.visit("POST", "/password", fields); status != 200 || at != "/" {
		s.t.Fatalf("%d at %s: %s", status, at, body)
	}
	return v
}

// page is that of a request, as soon as it is written down.
func (v *visitor) page(env controlplane.Environment, id string) string {
	v.t.Helper()
	for range 100 {
		status, _, body := v.visit("GET", fmt.Sprintf("/%s/requests/%s", env, id), nil)
		if status == 200 {
			return html.UnescapeString(body)
		}
		time.Sleep(100 * time.Millisecond)
	}
	v.t.Fatalf("the request %s never appeared", id)
	return ""
}

func newWrongWorld(t *testing.T) *wrongWorld {
	s := startSite(t, func(s *site) {
		s.routes = fmt.Sprintf(`@pages protocol https
	handle @pages {
		merchant_portal
	}
	handle /only/* {
		merchant_auth test
		reverse_proxy %[1]s
	}
	handle {
		merchant_auth {
			max_body 2KiB
		}
		reverse_proxy %[1]s
	}`, s.upstream.address)
	})
	w := &wrongWorld{site: s, main: s.tenant(controlplane.Test, "127.0.0.1")}
	live := w.main.merchant
	s.issue(&live, controlplane.Live)
	w.live = &tenant{live, controlplane.Live, w.main.people}
	w.elsewhere, w.empty = s.tenant(controlplane.Test, "198.51.100.7"), s.tenant(controlplane.Test)
	w.suspended, w.old = s.tenant(controlplane.Test, "127.0.0.1"), s.tenant(controlplane.Test, "127.0.0.1")
	_, err := s.node().service.SuspendMerchant(t.Context(), operator, w.suspended.id)
	check(t, err)
	_, err = s.node().service.RetireKey(t.Context(), operator, controlplane.RetireKey{MerchantID: w.old.id, KeyID: w.old.keyID})
	check(t, err)
	s.inForce()
	first := s.native(w.main.merchant)
	first.nonce = "used-before-by-the-test"
	first.compose()
	if a, err := first.signed().http1(s.plain); err != nil || a.status != 200 {
		t.Fatalf("a good request: %+v, %v", a, err)
	}
	return w
}

// The page of a refused request names the cause and the fix, whichever mistake a
// client makes.
func TestPageOfEveryWrongClientNamesCauseAndFix(t *testing.T) {
	w := newWrongWorld(t)
	raw, err := os.ReadFile("../portal/ui/text/en.explain.json")
	check(t, err)
	var texts map[string]string
	check(t, json.Unmarshal(raw, &texts))
	right := 0
	for _, c := range wrongClients() {
		id := w.send(c)
		whose := w.main
		if c.whose != nil {
			whose = c.whose(w)
		}
		page := whose.people[controlplane.RoleOperator].page(whose.env, id)
		name := c.cause
		if name == "" {
			name = c.code
		}
		ok := true
		for _, want := range []string{"<code>" + c.code + "</code>", "<strong>" + texts["explain.what."+name] + "</strong>", "<p>" + texts["explain.fix."+name] + "</p>", c.says} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page does not say %q", c.name, want)
				ok = false
			}
		}
		if ok {
			right++
		}
		w.wantHidden(c, whose, id)
	}
	if n := len(wrongClients()); right < n || n < 24 {
		t.Errorf("%d of %d pages are right", right, n)
	}
}

// wantHidden: viewers see why and not what was signed, other merchants nothing.
func (w *wrongWorld) wantHidden(c wrongClient, whose *tenant, id string) {
	w.t.Helper()
	path := fmt.Sprintf("/%s/requests/", whose.env)
	for _, page := range []string{path + id, path, fmt.Sprintf("/%s/requests.csv", whose.env)} {
		status, _, body := whose.people[controlplane.RoleViewer].visit("GET", strings.TrimSuffix(page, "/"), nil)
		if status != 200 || strings.Contains(body, "UNK1-HMAC-SHA256") || strings.Contains(body, "@signature-params") || strings.Contains(body, "SHA-256 <code>") {
			w.t.Errorf("%s: a viewer gets %d at %s, or what was signed", c.name, status, page)
		}
	}
	foreign := w.elsewhere
	if whose == foreign {
		foreign = w.empty
	}
	ownID := regexp.MustCompile(`req_[0-9a-z]{26}`) // each answer names itself
	status, _, page := foreign.people[controlplane.RoleOperator].visit("GET", path+id, nil)
	unknown, _, nothing := foreign.people[controlplane.RoleOperator].visit("GET", path+controlplane.PrefixRequest+strings.Repeat("0", 26), nil)
	if status != 404 || unknown != 404 || ownID.ReplaceAllString(page, "") != ownID.ReplaceAllString(nothing, "") {
		w.t.Errorf("%s: another merchant gets %d, for an unknown id %d, or tells one from the other", c.name, status, unknown)
	}
}

// The portal has words for everything that the gate can answer.
func TestPortalExplainsEveryCodeAndCause(t *testing.T) {
	for _, info := range gate.Codes() {
		if !portal.Explains(string(info.Code), "") {
			t.Errorf("the portal does not explain %s", info.Code)
		}
	}
	for _, cause := range gate.Causes() {
		if !portal.Explains("SIGNATURE_MISMATCH", cause) {
			t.Errorf("the portal does not explain %s", cause)
		}
	}
}
