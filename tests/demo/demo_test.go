package demo

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// root is the checkout, seen from this package's folder, where tests run.
const root = "../.."

func TestDemo(t *testing.T) {
	p := newPlace(t)

	first := p.start(t, "make", "-f", "xcaddy.mk", "run")
	for name, paste := range map[string]struct{ line, answer string }{
		"a printed line passes, once":  {first.line(t, "curl -i "), ` 200 `},
		"another address does not":     {first.line(t, "curl --interface 127.0.0.2 "), "IP_NOT_ALLOWED"},
		"a fresh line passes":          {first.line(t, " merchants sign ") + " | sh", "X-Unk-Merchant-Id: " + first.merchant},
		"the command line knows where": {first.line(t, " allowlist list "), "127.0.0.1/32"},
	} {
		t.Run(name, func(t *testing.T) { p.paste(t, paste.line, paste.answer) })
	}
	t.Run("a pasted line cannot be used again", func(t *testing.T) {
		p.paste(t, first.line(t, "curl -i "), "REQUEST_REPLAYED")
	})
	t.Run("the README's signature by hand passes", func(t *testing.T) {
		p.paste(t, p.readme(t, "A signed request by hand"), "X-Unk-Merchant-Id: "+first.merchant)
	})
	t.Run("the portal asks to sign in", func(t *testing.T) {
		p.paste(t, "curl -s --cacert "+p.data+"/caddy/caddy/pki/authorities/local/root.crt https://localhost:"+p.portal+"/login", `name="username"`)
	})
	t.Run("an event of each type arrives", func(t *testing.T) {
		for _, kind := range controlplane.EventTypes() {
			p.paste(t, arrives(first, t, string(kind)), string(kind))
		}
	})
	t.Run("another event is taken in", func(t *testing.T) {
		p.paste(t, first.line(t, "/v1/events"), `{"id":"evt_`)
	})
	t.Run("deliveries are listed", func(t *testing.T) {
		p.paste(t, first.line(t, " delivery list "), "withdrawal.refunded")
	})
	t.Run("a second demo on the same ports says what to do", func(t *testing.T) {
		p.paste(t, "! ./tests/demo/run.sh ./caddy 2>&1", "port "+p.port+" is in use")
	})
	t.Run("the secret is the user's own", p.secretIsPrivate)
	t.Run("the documents' configurations are valid", documentedConfigurations)
	first.interrupt(t) // make says that it was interrupted, whatever the demo did
	p.expectPortsFree(t)

	second := p.start(t, "./tests/demo/run.sh", "./caddy")
	if second.merchant != first.merchant || second.key != first.key {
		t.Errorf("the second run has merchant %s and key %s, the first had %s and %s", second.merchant, second.key, first.merchant, first.key)
	}
	p.paste(t, second.line(t, "curl -i "), ` 200 `)
	p.paste(t, first.line(t, "curl -i "), "REQUEST_REPLAYED")
	if err := second.interrupt(t); err != nil {
		t.Errorf("after ^C: %v, want exit status 0", err)
	}
	p.expectPortsFree(t)
}

// arrives is the printed line that shows what arrives, until a text does.
func arrives(r *run, t *testing.T, text string) string {
	return "timeout 30 " + r.line(t, "tail -n +1 -f ") + " | grep -m1 -F '" + text + "'"
}

// place is where one demo has its data and its ports.
type place struct {
	data                                              string
	port, upstream, portal, console, events, receiver string
}

func newPlace(t *testing.T) place {
	t.Helper()
	// t.TempDir is too long for the path of a unix socket.
	data, err := os.MkdirTemp("", "demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(data); err != nil {
			t.Error(err)
		}
	})
	return place{data, freePort(t), freePort(t), freePort(t), freePort(t), freePort(t), freePort(t)}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (p place) environment() []string {
	return append(os.Environ(), "DEMO_DATA="+p.data, "DEMO_PORT="+p.port, "DEMO_UPSTREAM_PORT="+p.upstream, "DEMO_PORTAL_PORT="+p.portal,
		"DEMO_CONSOLE_PORT="+p.console, "DEMO_EVENTS_PORT="+p.events, "DEMO_RECEIVER_PORT="+p.receiver)
}

// paste runs a line as a user's shell would, and wants to read an answer.
func (p place) paste(t *testing.T, line, answer string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", line)
	cmd.Dir, cmd.Env = root, p.environment()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), answer) {
		t.Errorf("%s\nended with %v and answered\n%s\nwant %q in it", line, err, out, answer)
	}
}

// readme returns the bash block under a heading of the README, for this place.
func (p place) readme(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)\n## " + heading + "\n.*?\n```bash\n(.*?)\n```").FindSubmatch(text)
	if block == nil {
		t.Fatalf("the README has no bash block under %q", heading)
	}
	return strings.NewReplacer(".data", p.data, ":8080", ":"+p.port).Replace(string(block[1]))
}

// documentedConfigurations gives Caddy every example that is not a syntax with
// <placeholders>.
func documentedConfigurations(t *testing.T) {
	for _, name := range []string{"README.md", "docs/caddyfile.md", "docs/operating.md"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)\n```caddyfile\n(.*?\n)```").FindAllSubmatch(text, -1) {
			if strings.Contains(string(block[1]), "<") {
				continue
			}
			cmd := exec.CommandContext(t.Context(), "./caddy", "adapt", "--adapter", "caddyfile", "--config", "-")
			cmd.Dir, cmd.Stdin = root, strings.NewReader(string(block[1]))
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Contains(string(out), `"warn"`) {
				t.Errorf("%s: caddy adapt: %v, of\n%s\nit says\n%s", name, err, block[1], out)
			}
		}
	}
}

func (p place) secretIsPrivate(t *testing.T) {
	for name, mode := range map[string]os.FileMode{"": 0o700, "demo.secret": 0o600, "demo.token": 0o600, "demo.signing-secret": 0o600, "admin.sock": 0o600, "root.key": 0o400} {
		info, err := os.Stat(filepath.Join(p.data, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", filepath.Join(p.data, name), info.Mode().Perm(), mode)
		}
	}
}

func (p place) expectPortsFree(t *testing.T) {
	t.Helper()
	for _, port := range []string{p.port, p.upstream, p.portal, p.console, p.events, p.receiver} {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Errorf("after the demo has ended: %v", err)
			continue
		}
		l.Close()
	}
}

// run is a demo that has printed all it has to say.
type run struct {
	cmd           *exec.Cmd
	lines         []string
	merchant, key string
	ended         chan error
}

func (p place) start(t *testing.T, name string, args ...string) *run {
	t.Helper()
	r := &run{cmd: exec.Command(name, args...), ended: make(chan error, 1)}
	r.cmd.Dir, r.cmd.Env = root, p.environment()
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a shell starts a job
	r.cmd.Stderr = t.Output()
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.kill() })
	text := bufio.NewScanner(out)
	for text.Scan() && text.Text() != "^C stops the demo." {
		r.lines = append(r.lines, text.Text())
	}
	go func() {
		for text.Scan() { // the pipe must not fill up
		}
		r.ended <- r.cmd.Wait()
	}()
	facts := regexp.MustCompile(`merchant (mer_\w+), key (unk_test_\w+)`).FindStringSubmatch(strings.Join(r.lines, "\n"))
	if facts == nil {
		t.Fatalf("the demo did not start; it printed:\n%s", strings.Join(r.lines, "\n"))
	}
	r.merchant, r.key = facts[1], facts[2]
	return r
}

// line finds the printed line that a user would copy.
func (r *run) line(t *testing.T, part string) string {
	t.Helper()
	for _, l := range r.lines {
		if strings.Contains(l, part) {
			return l
		}
	}
	t.Fatalf("no line with %q in:\n%s", part, strings.Join(r.lines, "\n"))
	return ""
}

// interrupt is ^C: the terminal signals every process of the job.
func (r *run) interrupt(t *testing.T) error {
	t.Helper()
	if err := syscall.Kill(-r.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := <-r.ended
	r.ended <- err
	return err
}

func (r *run) kill() {
	// An error says that there is nothing left to kill.
	if err := syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL); err == nil {
		fmt.Fprintln(os.Stderr, "a demo was still running and was killed")
	}
}
