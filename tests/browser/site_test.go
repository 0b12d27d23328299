package browser

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// root is the checkout, seen from this package's folder, where tests run.
const root = "../.."

// caddyBinary is the Caddy under test: the one that the environment names, or one
// that is built now.
var caddyBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("CADDY"); path != "" {
		return filepath.Abs(path)
	}
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "caddy")
	cmd := exec.Command("go", "build", "-tags=nobadger,nomysql,nopgx", "-o", path, "./caddymodule/cmd/caddy")
	cmd.Dir, cmd.Env, cmd.Stderr = root, append(os.Environ(), "CGO_ENABLED=1"), os.Stderr
	return path, cmd.Run()
})

// site is a running Caddy with the demo's configuration: the gateway for test
// keys, an upstream, and the portal.
type site struct {
	t                                  testing.TB
	caddy, data                        string
	gateway, upstream, portal, console string // ports
	// receiver is a merchant's server, which takes every webhook.
	receiver *receiver
	process  *os.Process
}

func newSite(t testing.TB) *site {
	t.Helper()
	caddy, err := caddyBinary()
	check(t, err)
	// t.TempDir is too long for the path of a unix socket.
	data, err := os.MkdirTemp("", "portal")
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(data)) })
	t.Cleanup(func() { explain(t, filepath.Join(data, "caddy.log")) })
	s := &site{t: t, caddy: caddy, data: data, gateway: freePort(t), upstream: freePort(t), portal: freePort(t), console: freePort(t)}
	s.startReceiver()
	s.start()
	s.awaitCertificate()
	return s
}

// awaitCertificate waits until the portal can be reached: Caddy says that it has
// started before it has made itself a certificate.
func (s *site) awaitCertificate() {
	s.t.Helper()
	var err error
	for range 600 {
		var c *tls.Conn
		// Chromium looks at certificates; this only asks whether there is one.
		if c, err = tls.Dial("tcp", "localhost:"+s.portal, &tls.Config{InsecureSkipVerify: true}); err == nil {
			check(s.t, c.Close())
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("the portal has no certificate: %v", err)
}

const maxExplained = 20 // lines

// explain shows what Caddy said was wrong, when a test has failed.
func explain(t testing.TB, log string) {
	if !t.Failed() {
		return
	}
	text, err := os.ReadFile(log)
	check(t, err)
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return !strings.Contains(line, `"level":"error"`) })
	if len(lines) > 0 {
		t.Log(strings.Join(lines[max(0, len(lines)-maxExplained):], "\n"))
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// start returns when Caddy says that it has started: it then sends back the bytes
// that it was given.
func (s *site) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(s.t, err)
	defer l.Close()
	word := rand.Text()
	cmd := exec.Command(s.caddy, "run", "--config", "../demo/Caddyfile", "--adapter", "caddyfile", "--pingback", l.Addr().String())
	cmd.Env = append(os.Environ(), "DEMO_DATA="+s.data, "DEMO_BIND=127.0.0.1", "DEMO_PORT="+s.gateway, "DEMO_UPSTREAM_PORT="+s.upstream,
		"DEMO_PORTAL_PORT="+s.portal, "DEMO_CONSOLE_PORT="+s.console, "DEMO_EVENTS_PORT="+freePort(s.t), "DEMO_RECEIVER_CA="+filepath.Join(s.data, "receiver.pem"),
		"DEMO_RECEIVER_PORT="+strconv.Itoa(s.receiver.Listener.Addr().(*net.TCPAddr).Port), "XDG_DATA_HOME="+s.data, "XDG_CONFIG_HOME="+s.data)
	cmd.Stdin = bytes.NewBufferString(word)
	cmd.Stderr = s.t.Output()
	check(s.t, cmd.Start())
	s.process = cmd.Process
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		l.Close() // so that nobody waits for one that did not start
	}()
	s.t.Cleanup(func() {
		check(s.t, s.process.Signal(syscall.SIGTERM))
		check(s.t, <-ended)
	})
	c, err := l.Accept()
	check(s.t, err)
	defer c.Close()
	got, err := io.ReadAll(c)
	check(s.t, err)
	if string(got) != word {
		s.t.Fatalf("Caddy said %q, want %q", got, word)
	}
}

// url is an address of the portal.
func (s *site) url(path string) string { return "https://localhost:" + s.portal + path }

// run gives a command to the running server, as the platform team would, and
// returns the JSON that it prints.
func run[T any](s *site, args ...string) (out T) {
	s.t.Helper()
	args = append([]string{"merchants"}, append(args, "--json", "--address", "unix/"+filepath.Join(s.data, "admin.sock"))...)
	cmd := exec.CommandContext(s.t.Context(), s.caddy, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("caddy %q: %v\n%s", args, err, stderr.Bytes())
	}
	check(s.t, json.Unmarshal(text, &out))
	return out
}

// merchant creates one and returns its id. Its allowlist is empty.
func (s *site) merchant(name string) string {
	s.t.Helper()
	return run[struct {
		Merchant struct{ ID string }
	}](s, "merchant", "create", "--name", name).Merchant.ID
}

func (s *site) allow(merchant, cidr, note string) {
	s.t.Helper()
	run[any](s, "allowlist", "add", "--merchant", merchant, "--cidr", cidr, "--note", note)
}

// user creates one and returns their initial password.
func (s *site) user(merchant, name, role string) string {
	s.t.Helper()
	return run[struct {
		InitialPassword string `json:"initial_password"`
	}](s, "user", "create", "--merchant", merchant, "--username", name, "--role", role).InitialPassword
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
