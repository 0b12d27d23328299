package thirdparty

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// root is the checkout, seen from this package's folder, where tests run.
const root = "../.."

// gateway is the product as people run it: a process of its own, in front of an
// upstream of this test.
type gateway struct {
	dir, binary   string
	plain, secure string // addresses
	key           key
	roots         *x509.CertPool
	seen          chan sighting
}

// sighting is a request as the upstream saw it.
type sighting struct{ method, target, body, merchant string }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func startGateway(t *testing.T) *gateway {
	t.Helper()
	// t.TempDir is too long for the path of a unix socket.
	dir, err := os.MkdirTemp("", "gw")
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	g := &gateway{dir: dir, binary: filepath.Join(dir, "caddy"), plain: freeAddress(t), secure: freeAddress(t), seen: make(chan sighting, 1)}
	g.build(t)
	g.makeCertificate(t)
	upstream := httptest.NewServer(http.HandlerFunc(g.note))
	t.Cleanup(upstream.Close)
	g.run(t, strings.TrimPrefix(upstream.URL, "http://"))
	g.makeKey(t)
	return g
}

func (g *gateway) build(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", g.binary, "./caddymodule/cmd/caddy")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the gateway: %v\n%s", err, out)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

func (g *gateway) makeCertificate(t *testing.T) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	check(t, err)
	encoded, err := x509.MarshalECPrivateKey(private)
	check(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	check(t, os.WriteFile(filepath.Join(g.dir, "cert.pem"), certificate, 0o600))
	check(t, os.WriteFile(filepath.Join(g.dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded}), 0o600))
	g.roots = x509.NewCertPool()
	g.roots.AppendCertsFromPEM(certificate)
}

func (g *gateway) caddyfile(upstream string) string {
	_, plain, _ := strings.Cut(g.plain, ":")
	_, secure, _ := strings.Cut(g.secure, ":")
	return fmt.Sprintf(`{
	admin unix/%[1]s/admin.sock|0600
	persist_config off
	auto_https off
	storage file_system %[1]s/storage
	merchants {
		store sqlite %[1]s/merchants.db
		allow_private_ranges
	}
}
(gateway) {
	bind 127.0.0.1
	merchant_auth test
	reverse_proxy %[4]s
}
http://:%[2]s {
	import gateway
}
https://:%[3]s {
	tls %[1]s/cert.pem %[1]s/key.pem
	import gateway
}
`, g.dir, plain, secure, upstream)
}

// run starts the gateway and stops it when the test ends.
func (g *gateway) run(t *testing.T, upstream string) {
	t.Helper()
	config := filepath.Join(g.dir, "Caddyfile")
	check(t, os.WriteFile(config, []byte(g.caddyfile(upstream)), 0o600))
	cmd := g.command(context.Background(), "run", "--config", config)
	var log bytes.Buffer
	cmd.Stderr = &log
	check(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		check(t, cmd.Process.Signal(syscall.SIGTERM))
		if err := <-ended; err != nil || t.Failed() {
			t.Logf("the gateway ended with %v and said\n%s", err, log.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", g.secure); err == nil {
			check(t, c.Close())
			return
		}
	}
	t.Fatalf("the gateway did not start")
}

func (g *gateway) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.binary, args...)
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+g.dir, "XDG_CONFIG_HOME="+g.dir)
	return cmd
}

// merchants runs a command of the gateway and reads its JSON.
func (g *gateway) merchants(t *testing.T, out any, args ...string) {
	t.Helper()
	args = append(append([]string{"merchants"}, args...), "--json", "--address", "unix/"+filepath.Join(g.dir, "admin.sock"))
	cmd := g.command(t.Context(), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, stderr.Bytes())
	}
	check(t, json.Unmarshal(text, out))
}

func (g *gateway) makeKey(t *testing.T) {
	t.Helper()
	var created struct{ Merchant struct{ ID string } }
	g.merchants(t, &created, "merchant", "create", "--name", "Third parties")
	var allowed any
	g.merchants(t, &allowed, "allowlist", "add", "--merchant", created.Merchant.ID, "--cidr", "127.0.0.1", "--note", "this test")
	var issued struct {
		Key    struct{ ID string }
		Secret string
	}
	g.merchants(t, &issued, "key", "issue", "--merchant", created.Merchant.ID, "--env", "test")
	g.key = key{issued.Key.ID, issued.Secret}
}

func (g *gateway) note(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	g.seen <- sighting{r.Method, r.RequestURI, string(body), r.Header.Get("X-Unk-Merchant-Id")}
}

// answer is what came of a request. got is nil when the upstream saw nothing.
type answer struct {
	major, status int
	code, body    string
	got           *sighting
}

func (g *gateway) send(t *testing.T, r *http.Request) answer {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		ForceAttemptHTTP2: true, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: g.roots},
	}}
	res, err := client.Do(r)
	check(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	check(t, err)
	a := answer{major: res.ProtoMajor, status: res.StatusCode, body: string(body)}
	if _, rest, found := strings.Cut(a.body, `"code":"`); found {
		a.code, _, _ = strings.Cut(rest, `"`)
	}
	a.got = g.sighting()
	return a
}

// sighting returns what the upstream saw since the last call; it saw it before the
// answer to it was there.
func (g *gateway) sighting() *sighting {
	select {
	case s := <-g.seen:
		return &s
	default:
		return nil
	}
}
