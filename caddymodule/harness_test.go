package caddymodule

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"go.uber.org/goleak"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
	"github.com/unknownpay/merchant-gateway/tests/teststore"
)

// site is a running Caddy with the gateway in front of an upstream, all on
// loopback: one plain listener, one with TLS for HTTP/1.1, 2 and 3.
type site struct {
	t        testing.TB
	dir      string
	plain    string // address
	secure   string
	roots    *x509.CertPool
	upstream *upstream
	others   []*upstream

	// What the Caddyfile is made of; change them and reload.
	merchants string // lines of the global block
	auth      string // arguments and block of the directive
	before    string // directives of the site
	global    string // global options
	database  string // path
	store     string // stands in for the SQLite database
	routes    string // what stands in for the default route
	logs      string // lines of the default log
	named     string // named routes
	whole     string // stands in for all of it
}

// startSite runs a site until the test ends, and then looks for what it left.
func startSite(t testing.TB, change ...func(*site)) *site {
	t.Helper()
	if teststore.Postgres(t) {
		stores.Host(t) // it stays for the next test
	}
	ignore := goleak.IgnoreCurrent()
	s := &site{t: t, dir: t.TempDir(), upstream: startUpstream(t)}
	s.makeCertificate()
	s.database = s.path("data/merchants.db")
	check(t, s.loadFirst(change))
	t.Cleanup(func() {
		s.stop()
		for _, u := range append(s.others, s.upstream) {
			u.close()
		}
		if err := leaked(ignore); err != nil {
			t.Error(err)
		}
	})
	return s
}

// leaked gives goroutines time to end: Shutdown looks for idle connections only
// twice a second, and closes a refused one half a second after its answer.
func leaked(ignore goleak.Option) (err error) {
	for range 5 {
		if err = goleak.Find(append(caddysOwn(), ignore)...); err == nil {
			return nil
		}
	}
	return err
}

// caddysOwn are goroutines that Caddy leaves behind by itself, and those of a test's
// database.
func caddysOwn() []goleak.Option {
	return []goleak.Option{
		// Sleeps up to 5 s before it sees that its lock file is gone.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		// A database that was halted and resumed; it is stopped after the site.
		goleak.IgnoreAnyFunction("github.com/unknownpay/merchant-gateway/tests/pgtest.(*process).run.func1"),
	}
}

// loadFirst finds ports. One that was free a moment ago may have become the other
// end of somebody's connection.
func (s *site) loadFirst(change []func(*site)) (err error) {
	for range 5 {
		s.plain = freePort(s.t)
		for s.secure = s.plain; s.secure == s.plain; {
			s.secure = freePort(s.t)
		}
		for _, f := range change {
			f(s)
		}
		if err = s.load(); err == nil || !strings.Contains(err.Error(), "address already in use") {
			return err
		}
	}
	return err
}

func (s *site) stop() {
	if err := caddy.Stop(); err != nil {
		s.t.Error(err)
	}
}

// freePort finds a port that is free for TCP and UDP.
func freePort(t testing.TB) string {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		u, err := net.ListenPacket("udp", address)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			if err := u.Close(); err != nil {
				t.Fatal(err)
			}
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

func (s *site) makeCertificate() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(s.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, DNSNames: []string{"gateway.test", "other.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(s.t, err)
	private, err := x509.MarshalECPrivateKey(key)
	check(s.t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	check(s.t, os.WriteFile(s.path("cert.pem"), certPEM, 0o600))
	check(s.t, os.WriteFile(s.path("key.pem"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600))
	s.roots = x509.NewCertPool()
	s.roots.AppendCertsFromPEM(certPEM)
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// caddyfile is the configuration in its present state.
func (s *site) caddyfile() string { return withTransport(s.caddyfileAsIs()) }

func (s *site) caddyfileAsIs() string {
	if s.whole != "" {
		return s.whole
	}
	routes := s.routes
	if routes == "" {
		routes = "merchant_auth " + s.auth + "\n" + s.before + "\nreverse_proxy " + s.upstream.address
	}
	store := s.store
	if store == "" {
		store = s.storeLines(teststore.Postgres(s.t))
	}
	return fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	storage file_system %[1]s/storage
	%[7]s
	log {
		output file %[1]s/log.json {
			roll_disabled
		}
		format json
		%[2]s
	}
	merchants {
		%[8]s
		allow_private_ranges
		%[3]s
	}
}
%[9]s
http://:%[4]s {
	bind 127.0.0.1
	log
	%[6]s
}
https://:%[5]s {
	bind 127.0.0.1
	tls %[1]s/cert.pem %[1]s/key.pem
	log
	%[6]s
}
`, s.dir, s.logs, s.merchants, port(s.plain), port(s.secure), routes, s.global, store, s.named)
}

// storeLines name the site's database.
func (s *site) storeLines(shared bool) string {
	t, path := s.t, s.database
	if !shared {
		return "store sqlite " + path
	}
	u, err := url.Parse(stores.URL(t, path))
	check(t, err)
	password, _ := u.User.Password()
	u.User = url.User(u.User.Username())
	dir := filepath.Dir(path)
	check(t, os.MkdirAll(dir, 0o700))
	if _, err := os.Stat(path + ".password"); err != nil {
		check(t, os.WriteFile(path+".password", []byte(password), 0o600))
	}
	return fmt.Sprintf("store postgres %s {\n\t\t\tpassword_file %s.password\n\t\t\tstate_dir %s\n\t\t}", u, path, dir)
}

func port(address string) string {
	_, p, _ := strings.Cut(address, ":")
	return p
}

func adapt(text string) ([]byte, error) {
	out, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	return out, err
}

// load starts the site, or reloads it, with the configuration in its present state.
func (s *site) load() error {
	config, err := adapt(s.caddyfile())
	if err != nil {
		return err
	}
	err = caddy.Load(withoutTrust(s.t, config), true)
	s.oneServer()
	return err
}

// withoutTrust keeps Caddy's local CA, which some TLS settings make, out of the
// trust store of the machine that runs the tests. The global option
// skip_install_trust does nothing together with "auto_https off".
func withoutTrust(t testing.TB, config []byte) []byte {
	t.Helper()
	var whole map[string]any
	check(t, json.Unmarshal(config, &whole))
	apps, ok := whole["apps"].(map[string]any)
	if !ok {
		t.Fatalf("no apps in %s", config)
	}
	apps["pki"] = map[string]any{"certificate_authorities": map[string]any{"local": map[string]any{"install_trust": false}}}
	out, err := json.Marshal(whole)
	check(t, err)
	return out
}

func (s *site) app() *App {
	s.t.Helper()
	ctx := caddy.ActiveContext()
	app, err := ctx.AppIfConfigured("merchants")
	check(s.t, err)
	return app.(*App)
}

func (s *site) node() *node {
	s.t.Helper()
	n := s.app().node()
	if n == nil {
		s.t.Fatal("the node is not open")
	}
	return n
}

// merchant is a merchant with one key and what signs with it.
type merchant struct {
	id, keyID string
	secret    string
	signer    *signature.Signer
}

var operator = controlplane.LocalActor("test")

// merchant makes a merchant with a key and an allowlist, in force.
func (s *site) merchant(env controlplane.Environment, cidrs ...string) merchant {
	s.t.Helper()
	ctx := context.Background()
	n := s.node()
	created, err := n.service.CreateMerchant(ctx, operator, controlplane.CreateMerchant{Name: "Blue Bottle Books"})
	check(s.t, err)
	for _, cidr := range cidrs {
		_, err := n.service.AddAllowlistEntry(ctx, operator, controlplane.AddAllowlistEntry{MerchantID: created.ID, CIDR: cidr, Note: "test"})
		check(s.t, err)
	}
	m := merchant{id: created.ID}
	s.issue(&m, env)
	return m
}

func (s *site) issue(m *merchant, env controlplane.Environment) {
	s.t.Helper()
	n := s.node()
	issued, err := n.service.IssueKey(context.Background(), operator, controlplane.IssueKey{MerchantID: m.id, Environment: env})
	check(s.t, err)
	m.keyID, m.secret = issued.Key.ID, issued.Secret.Reveal()
	m.signer, err = signature.NewSigner(m.keyID, m.secret)
	check(s.t, err)
	s.inForce()
}

// inForce waits until requests are decided by all changes made so far.
func (s *site) inForce() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	n := s.node()
	var revision int64
	check(s.t, n.db.View(ctx, func(tx controlplane.Tx) (err error) {
		revision, err = tx.Revision(ctx)
		return err
	}))
	check(s.t, n.follower.WaitRevision(ctx, revision))
}

// request makes a signed request to the plain listener.
func (s *site) request(m merchant, method, target, body string) *http.Request {
	s.t.Helper()
	return s.requestTo("http://"+s.plain, m, method, target, body)
}

func (s *site) requestTo(base string, m merchant, method, target, body string) *http.Request {
	s.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, base+target, reader)
	check(s.t, err)
	s.sign(r, m, body, time.Now())
	return r
}

func (s *site) sign(r *http.Request, m merchant, body string, at time.Time) {
	s.t.Helper()
	nonce, err := signature.NewNonce(rand.Reader)
	check(s.t, err)
	check(s.t, m.signer.Sign(r, sha256.Sum256([]byte(body)), at, nonce))
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// client opens a connection for every request, so that none is left over.
func (s *site) client() *http.Client {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port(address))
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute, TLSClientConfig: s.tls(), DialContext: dial}}
}

// client2 speaks HTTP/2 to the secure listener, a connection for each request.
func (s *site) client2() *http.Client {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.secure)
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{ForceAttemptHTTP2: true, DisableKeepAlives: true, TLSClientConfig: s.tls(), DialContext: dial}}
}

func (s *site) tls() *tls.Config { return &tls.Config{RootCAs: s.roots, ServerName: "gateway.test"} }

func (s *site) do(r *http.Request) answer {
	s.t.Helper()
	a, err := patiently(s.client(), func() *http.Request { return again(s.t, r) })
	check(s.t, err)
	return a
}

func send(c *http.Client, r *http.Request) (answer, error) {
	res, err := c.Do(r)
	if err != nil {
		return answer{}, err
	}
	body, err := io.ReadAll(res.Body)
	if closeErr := res.Body.Close(); err == nil {
		err = closeErr
	}
	return answer{res.StatusCode, res.Header, string(body)}, err
}

// wantRefused checks status and code, and that the upstream saw nothing of it.
func (s *site) wantRefused(a answer, status int, code string) {
	s.t.Helper()
	if a.status != status || !strings.Contains(a.body, `"code":"`+code+`"`) {
		s.t.Errorf("answer %d %s, want %d %s", a.status, a.body, status, code)
	}
	if !strings.HasPrefix(a.header.Get("X-Unk-Request-Id"), "req_") {
		s.t.Errorf("request id %q", a.header.Get("X-Unk-Request-Id"))
	}
	if seen := s.upstream.take(); len(seen) != 0 {
		s.t.Errorf("the upstream saw %+v", seen)
	}
}

// wantPassed checks that the upstream saw the request once, and returns what it saw.
func (s *site) wantPassed(a answer) sighting {
	s.t.Helper()
	seen := s.upstream.take()
	if a.status != http.StatusOK || len(seen) != 1 {
		s.t.Fatalf("answer %d %s; the upstream saw %+v", a.status, a.body, seen)
	}
	return seen[0]
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
