package signature_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// verifier is a server that verifies what it receives the way the gateway
// does, and keeps what it saw.
type verifier struct {
	*httptest.Server
	key *signature.MACKey
	mu  sync.Mutex
	got []seen
}

type seen struct {
	creds  signature.Credentials
	target string
	proto  int
	body   string
	err    error
}

func newVerifier(t *testing.T, http2 bool, next http.HandlerFunc) *verifier {
	t.Helper()
	v := &verifier{key: mustKey(t, testSecret)}
	v.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.receive(r)
		if next != nil {
			next(w, r)
		}
	}))
	v.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that a test breaks off
	v.EnableHTTP2 = http2
	v.StartTLS()
	t.Cleanup(v.Close)
	return v
}

func (v *verifier) receive(r *http.Request) {
	s := seen{target: r.RequestURI, proto: r.ProtoMajor}
	defer func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.got = append(v.got, s)
	}()
	body, err := io.ReadAll(r.Body)
	s.body = string(body)
	if s.err = err; err != nil {
		return
	}
	s.creds, s.err = verifyReceived(v.key, r, body)
}

func verifyReceived(k *signature.MACKey, r *http.Request, body []byte) (signature.Credentials, error) {
	creds, err := signature.Parse(r.Header)
	if err != nil {
		return creds, err
	}
	facts := signature.Request{
		Method: r.Method, Scheme: "https",
		Body: signature.Body{Length: int64(len(body)), SHA256: sha256.Sum256(body)},
	}
	if facts.Host, err = signature.Host(r.Host, "https"); err != nil {
		return creds, err
	}
	if facts.Target, err = signature.Target(r.RequestURI); err != nil {
		return creds, err
	}
	return creds, creds.Verify(k, &facts)
}

func (v *verifier) client(t *testing.T, opts ...signature.Option) *http.Client {
	t.Helper()
	tr, err := signature.NewTransport(v.Server.Client().Transport, v.URL, testKeyID, testSecret, opts...)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: tr}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// last returns the only request since the previous call.
func (v *verifier) last(t *testing.T) seen {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.got) != 1 {
		t.Fatalf("the server saw %d requests, want 1", len(v.got))
	}
	s := v.got[0]
	v.got = nil
	return s
}

func send(t *testing.T, c *http.Client, req *http.Request) {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
}

func newRequest(t *testing.T, method, rawURL string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, rawURL, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func eachProtocol(t *testing.T, run func(t *testing.T, v *verifier)) {
	for name, major := range map[string]int{"HTTP/1.1": 1, "HTTP/2": 2} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, major == 2, nil)
			run(t, v)
			send(t, v.client(t), newRequest(t, "GET", v.URL, nil))
			if got := v.last(t); got.proto != major {
				t.Errorf("HTTP/%d was spoken, want %d", got.proto, major)
			}
		})
	}
}

func TestTransportSignsTheTargetThatGoesOut(t *testing.T) {
	paths := []string{
		"", "/", "?a=1", "/?", "/v1/a%2Fb", "/v1/a%2fb?b=2&a=1&q=a%20b+c&e=", "/v1/a b", "/v1/../x//y/",
		"/%E0%B8%81", "/กขค?q=ก", "/a;b=c", "/a?b?c", "/a:b", "/%7Euser", "/~user", "/a%", "/a!$&'()*+,;=:@",
	}
	eachProtocol(t, func(t *testing.T, v *verifier) {
		for _, path := range paths {
			u, err := url.Parse(v.URL + path)
			if err != nil {
				continue // not a URL that net/http can be given
			}
			if strings.Contains(u.RawQuery, "ก") {
				u.RawQuery = url.QueryEscape(u.RawQuery)
			}
			send(t, v.client(t), &http.Request{Method: "GET", URL: u})
			if got := v.last(t); got.err != nil {
				t.Errorf("%q arrived as %q: %v", path, got.target, got.err)
			}
		}
	})
}

func TestTransportSignsOddURLs(t *testing.T) {
	eachProtocol(t, func(t *testing.T, v *verifier) {
		host := strings.TrimPrefix(v.URL, "https://")
		for name, u := range map[string]*url.URL{
			"opaque path":   {Scheme: "https", Host: host, Opaque: "/v1/%2e%2E/x"},
			"raw path":      {Scheme: "https", Host: host, Path: "/a/b", RawPath: "/a%2Fb"},
			"wrong rawpath": {Scheme: "https", Host: host, Path: "/a/b", RawPath: "/zz"},
			"forced query":  {Scheme: "https", Host: host, Path: "/a", ForceQuery: true},
			"fragment":      {Scheme: "https", Host: host, Path: "/a", Fragment: "f"},
			"user info":     {Scheme: "https", Host: host, Path: "/a", User: url.UserPassword("u", "p")},
		} {
			send(t, v.client(t), &http.Request{URL: u, Header: http.Header{}})
			if got := v.last(t); got.err != nil {
				t.Errorf("%s arrived as %q: %v", name, got.target, got.err)
			}
		}
	})
}

func TestTransportRefusesWhatTheProtocolsSendDifferently(t *testing.T) {
	v := newVerifier(t, false, nil)
	host := strings.TrimPrefix(v.URL, "https://")
	for name, req := range map[string]*http.Request{
		"double-slash opaque": {URL: &url.URL{Scheme: "https", Host: host, Opaque: "//other.example/x"}},
		"relative opaque":     {URL: &url.URL{Scheme: "https", Host: host, Opaque: "x"}},
		"query-only opaque":   {URL: &url.URL{Scheme: "https", Host: host, Opaque: "?x"}},
		"relative path":       {URL: &url.URL{Scheme: "https", Host: host, Path: "x"}},
		"asterisk":            {Method: "OPTIONS", URL: &url.URL{Scheme: "https", Host: host, Path: "*"}},
		"CONNECT":             {Method: "CONNECT", URL: &url.URL{Scheme: "https", Host: host}},
		"space in the query":  {URL: &url.URL{Scheme: "https", Host: host, RawQuery: "a b"}},
		"bad host override":   {URL: &url.URL{Scheme: "https", Host: host}, Host: "a/b"},
		"no URL":              {},
	} {
		body := &closeCounter{Reader: strings.NewReader("{}")}
		req.Body = body
		if _, err := v.client(t).Transport.RoundTrip(req); err == nil || body.closed == 0 {
			t.Errorf("%s: error %v, body closed %d times", name, err, body.closed)
		}
	}
	if len(v.got) != 0 {
		t.Errorf("the server saw %d requests", len(v.got))
	}
}

type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error {
	c.closed++
	return nil
}

func TestTransportSignsEveryKindOfBody(t *testing.T) {
	big := strings.Repeat("x", 200_000)
	eachProtocol(t, func(t *testing.T, v *verifier) {
		for name, c := range map[string]struct {
			body io.Reader
			want string
		}{
			"none":                    {nil, ""},
			"no body":                 {http.NoBody, ""},
			"bytes with GetBody":      {bytes.NewReader([]byte("{\"a\":1}\r\n")), "{\"a\":1}\r\n"},
			"large with GetBody":      {strings.NewReader(big), big},
			"stream without GetBody":  {io.LimitReader(strings.NewReader("stream"), 6), "stream"},
			"empty stream":            {io.LimitReader(strings.NewReader(""), 1), ""},
			"stream in single bytes":  {iotest.OneByteReader(strings.NewReader("\xef\xbb\xbf\x00")), "\xef\xbb\xbf\x00"},
			"buffer that is consumed": {bytes.NewBufferString("buffer"), "buffer"},
		} {
			send(t, v.client(t), newRequest(t, "POST", v.URL+"/v1/payments", c.body))
			if got := v.last(t); got.err != nil || got.body != c.want {
				t.Errorf("%s: %v, %d bytes arrived", name, got.err, len(got.body))
			}
		}
	})
}

func TestTransportLeavesTheRequestAlone(t *testing.T) {
	v := newVerifier(t, false, nil)
	body := &closeCounter{Reader: strings.NewReader("body")}
	req := newRequest(t, "POST", v.URL+"/x", body)
	req.Header = nil
	send(t, v.client(t), req)
	if got := v.last(t); got.err != nil {
		t.Error(got.err)
	}
	if req.Header != nil || req.Body != body || req.GetBody != nil || req.ContentLength != 0 || req.Host != strings.TrimPrefix(v.URL, "https://") {
		t.Errorf("the caller's request was changed: %+v", req)
	}
	if body.closed == 0 {
		t.Error("the body was not closed")
	}
}

func TestTransportReplacesHeadersOfTheCaller(t *testing.T) {
	v := newVerifier(t, false, nil)
	req := newRequest(t, "GET", v.URL, nil)
	for _, name := range unk1Headers {
		req.Header[name] = []string{"a", "b"}
	}
	send(t, v.client(t), req)
	if got := v.last(t); got.err != nil {
		t.Error(got.err)
	}
}

func TestTransportSignsTheHostHeader(t *testing.T) {
	eachProtocol(t, func(t *testing.T, v *verifier) {
		for _, host := range []string{"API.Example.com", "api.example.com:443", "api.example.com:8443", "[2001:DB8::1]:443"} {
			req := newRequest(t, "GET", v.URL, nil)
			req.Host = host
			send(t, v.client(t), req)
			if got := v.last(t); got.err != nil {
				t.Errorf("%s: %v", host, got.err)
			}
		}
	})
}

func TestTransportSignsEachAttemptAnew(t *testing.T) {
	now := time.Unix(1767225600, 0)
	v := newVerifier(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/start" {
			http.Redirect(w, r, "/end?x=%2F", http.StatusTemporaryRedirect)
		}
	})
	clock := func() time.Time { now = now.Add(time.Second); return now }
	send(t, v.client(t, signature.WithClock(clock)), newRequest(t, "POST", v.URL+"/start", strings.NewReader("body")))
	if len(v.got) != 2 {
		t.Fatalf("the server saw %d requests, want 2", len(v.got))
	}
	first, second := v.got[0], v.got[1]
	if first.err != nil || second.err != nil || second.target != "/end?x=%2F" || second.body != "body" {
		t.Errorf("first %v, second %v", first.err, second)
	}
	if first.creds.Nonce == second.creds.Nonce || first.creds.Created != 1767225601 || second.creds.Created != 1767225602 {
		t.Errorf("signed at %d and %d, nonces %q and %q", first.creds.Created, second.creds.Created, first.creds.Nonce, second.creds.Nonce)
	}
}

func TestTransportNeverSendsToAnotherOrigin(t *testing.T) {
	stranger := newVerifier(t, false, nil)
	var target string
	v := newVerifier(t, false, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target, http.StatusPermanentRedirect)
	})
	for _, target = range []string{stranger.URL, strings.Replace(v.URL, "https:", "http:", 1), "https://other.invalid/"} {
		resp, err := v.client(t).Post(v.URL, "application/json", strings.NewReader("{}"))
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, signature.ErrForeignOrigin) {
			t.Errorf("redirect to %s: %v", target, err)
		}
	}
	if len(stranger.got) != 0 {
		t.Error("another origin got a request")
	}
}

func TestTransportAcceptsEverySpellingOfItsOrigin(t *testing.T) {
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	})
	tr, err := signature.NewTransport(base, "https://API.example.com:443/", testKeyID, testSecret)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: tr}
	for _, u := range []string{"https://api.example.com", "HTTPS://Api.Example.com:443/x"} {
		send(t, c, newRequest(t, "GET", u, nil))
	}
	c.CloseIdleConnections() // base has none: must not fail
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTransportBufferIsLimited(t *testing.T) {
	v := newVerifier(t, false, nil)
	for size, want := range map[int64]error{4: nil, 5: signature.ErrBodyTooLarge} {
		body := &closeCounter{Reader: io.LimitReader(strings.NewReader("12345"), size)}
		resp, err := v.client(t, signature.WithBodyLimit(4)).Do(newRequest(t, "POST", v.URL, body))
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, want) || body.closed == 0 {
			t.Errorf("%d bytes: %v, closed %d times", size, err, body.closed)
		}
	}
}

func TestTransportReportsBodyAndEntropyErrors(t *testing.T) {
	v := newVerifier(t, false, nil)
	broken := errors.New("broken")
	failing := func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(broken)), nil }
	for name, c := range map[string]struct {
		body io.ReadCloser
		get  func() (io.ReadCloser, error)
		opt  signature.Option
	}{
		"read":            {body: io.NopCloser(iotest.ErrReader(broken))},
		"read by GetBody": {body: io.NopCloser(strings.NewReader("x")), get: failing},
		"GetBody":         {body: io.NopCloser(strings.NewReader("x")), get: func() (io.ReadCloser, error) { return nil, broken }},
		"close":           {body: failingCloser{strings.NewReader("x"), broken}},
		"entropy":         {opt: signature.WithRandom(iotest.ErrReader(broken))},
	} {
		req := newRequest(t, "POST", v.URL, nil)
		req.Body, req.GetBody = c.body, c.get
		opts := []signature.Option{signature.WithBodyLimit(10)}
		if c.opt != nil {
			opts = append(opts, c.opt)
		}
		if _, err := v.client(t, opts...).Do(req); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type failingCloser struct {
	io.Reader
	err error
}

func (c failingCloser) Close() error { return c.err }

func TestNewTransportRefusesWhatCannotWork(t *testing.T) {
	for name, c := range map[string]struct{ origin, key, secret string }{
		"not a URL":     {"https://a b", testKeyID, testSecret},
		"no scheme":     {"api.example.com", testKeyID, testSecret},
		"other scheme":  {"ftp://api.example.com", testKeyID, testSecret},
		"a path":        {"https://api.example.com/v1", testKeyID, testSecret},
		"a query":       {"https://api.example.com/?", testKeyID, testSecret},
		"a fragment":    {"https://api.example.com/#x", testKeyID, testSecret},
		"user info":     {"https://u:p@api.example.com", testKeyID, testSecret},
		"no host":       {"https://", testKeyID, testSecret},
		"bad host":      {"https://a,b", testKeyID, testSecret},
		"bad key":       {"https://api.example.com", "unk_test_", testSecret},
		"secret as key": {"https://api.example.com", testSecret, testSecret},
		"line break":    {"https://api.example.com", testKeyID, testSecret + "\n"},
	} {
		_, err := signature.NewTransport(nil, c.origin, c.key, c.secret)
		if err == nil {
			t.Errorf("%s is accepted", name)
		} else if strings.Contains(err.Error(), testSecret) {
			t.Errorf("%s: the error holds the secret", name)
		}
	}
}

func TestSignRefusesBadTimesAndNonces(t *testing.T) {
	s, err := signature.NewSigner(testKeyID, testSecret)
	if err != nil {
		t.Fatal(err)
	}
	good := time.Unix(1767225600, 0)
	for name, c := range map[string]struct {
		now   time.Time
		nonce string
	}{
		"zero time":     {time.Time{}, "0123456789abcdef"},
		"eleven digits": {time.Unix(10_000_000_000, 0), "0123456789abcdef"},
		"short nonce":   {good, "0123456789abcde"},
		"no nonce":      {good, ""},
		"nonce with LF": {good, "0123456789abcdef\n"},
	} {
		req := newRequest(t, "GET", "https://api.example.com/", nil)
		if err := s.Sign(req, [32]byte{}, c.now, c.nonce); err == nil || len(req.Header) != 0 {
			t.Errorf("%s: %v, header %v", name, err, req.Header)
		}
	}
}

func TestTransportIsSafeForConcurrentUse(t *testing.T) {
	v := newVerifier(t, true, nil)
	c := v.client(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			resp, err := c.Post(v.URL+"/x", "text/plain", strings.NewReader("x"))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	wg.Wait()
	nonces := map[string]bool{}
	for _, s := range v.got {
		if s.err != nil {
			t.Error(s.err)
		}
		nonces[s.creds.Nonce] = true
	}
	if len(nonces) != 20 {
		t.Errorf("%d nonces for 20 requests", len(nonces))
	}
}

func TestNilBaseIsTheDefaultTransport(t *testing.T) {
	v := newVerifier(t, false, nil)
	tr, err := signature.NewTransport(nil, v.URL, testKeyID, testSecret)
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&http.Client{Transport: tr}).Get(v.URL)
	var unknown *tls.CertificateVerificationError
	if !errors.As(err, &unknown) { // the default transport does not trust the test's certificate
		t.Errorf("%v", err)
	}
}
