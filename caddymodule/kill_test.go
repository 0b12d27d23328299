package caddymodule

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// process is a server of its own that can be killed, in front of an upstream that
// Caddy answers for itself.
type process struct {
	t        *testing.T
	dir      string
	gateway  string
	cmd      *exec.Cmd
	operator *http.Client // over the admin socket
	client   *http.Client
}

func newProcess(t *testing.T) *process {
	dir, err := os.MkdirTemp("", "kill") // t.TempDir is too long for a socket
	check(t, err)
	p := &process{t: t, dir: dir, gateway: freePort(t)}
	p.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	p.operator = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.path("admin.sock"))
		},
	}}
	check(t, os.WriteFile(p.path("Caddyfile"), []byte(fmt.Sprintf(`{
	admin unix/%[1]s/admin.sock
	persist_config off
	auto_https off
	merchants {
		store sqlite %[1]s/merchants.db
		allow_private_ranges
	}
}
http://%[2]s {
	merchant_auth
	respond "passed {unk.merchant_id}"
}
`, dir, p.gateway)), 0o600))
	t.Cleanup(func() {
		p.kill()
		check(t, os.RemoveAll(dir))
	})
	return p
}

func (p *process) path(name string) string { return filepath.Join(p.dir, name) }

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command("caddy", "run", "--config", p.path("Caddyfile"), "--adapter", "caddyfile")
	p.cmd.Env = append(os.Environ(), "HOME="+p.dir, "XDG_DATA_HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir)
	check(p.t, p.cmd.Start())
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = p.call("merchant.list", map[string]any{}, new(any)); err == nil {
			return
		}
	}
	p.t.Fatalf("the server does not answer: %v", err)
}

// kill is what a crash does: no handler of the process runs.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	check(p.t, p.cmd.Process.Kill())
	_ = p.cmd.Wait() // it was killed
	p.cmd = nil
}

// call asks for an operation; an error means that it was not acknowledged.
func (p *process) call(name string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequest("POST", "http://127.0.0.1/merchants/"+name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Unk-Operator", "test")
	a, err := p.operator.Do(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		return err
	}
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %s", name, a.StatusCode, text)
	}
	return json.Unmarshal(text, out)
}

// signed makes a request of a merchant with a test key.
func (p *process) signed(m merchant, nonce string, at time.Time) *http.Request {
	r, err := http.NewRequest("POST", "http://"+p.gateway+"/v1/payments", strings.NewReader("{}"))
	check(p.t, err)
	check(p.t, m.signer.Sign(r, sha256.Sum256([]byte("{}")), at, nonce))
	return r
}

func (p *process) merchant() (m merchant) {
	p.t.Helper()
	var created struct{ Merchant struct{ ID string } }
	check(p.t, p.call("merchant.create", map[string]any{"name": "Blue Bottle Books"}, &created))
	m.id = created.Merchant.ID
	check(p.t, p.call("allowlist.add", map[string]any{"merchant_id": m.id, "cidr": "127.0.0.1", "note": "test"}, new(any)))
	var issued struct {
		Key    struct{ ID string }
		Secret string
	}
	check(p.t, p.call("key.issue", map[string]any{"merchant_id": m.id, "environment": "test"}, &issued))
	m.keyID, m.secret = issued.Key.ID, issued.Secret
	var err error
	m.signer, err = signature.NewSigner(m.keyID, m.secret)
	check(p.t, err)
	return m
}

// load makes changes and sends requests until the server is gone, and returns the
// changes that were acknowledged and the requests that passed.
func (p *process) load(m merchant, round int, killAfter int) (acknowledged []string, passed []*http.Request) {
	var mu sync.Mutex
	var all sync.WaitGroup
	enough := make(chan struct{})
	var once sync.Once
	for worker := range 4 {
		all.Go(func() {
			for i := range 10_000 {
				name := fmt.Sprintf("Shop %d-%d-%d", round, worker, i)
				if p.call("merchant.create", map[string]any{"name": name}, new(any)) != nil {
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, name)
				if len(acknowledged) >= killAfter {
					once.Do(func() { close(enough) })
				}
				mu.Unlock()
			}
		})
		all.Go(func() {
			for i := range 10_000 {
				nonce, at := fmt.Sprintf("nonce-of-round-%d-%d-%06d", round, worker, i), time.Now()
				status, err := p.pass(p.signed(m, nonce, at))
				if err != nil {
					return
				}
				if status != http.StatusOK {
					p.t.Errorf("a good request was refused: %d", status)
					return
				}
				mu.Lock()
				passed = append(passed, p.signed(m, nonce, at))
				mu.Unlock()
			}
		})
	}
	<-enough
	p.kill()
	all.Wait()
	return acknowledged, passed
}

func (p *process) pass(r *http.Request) (status int, err error) {
	a, err := p.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	_, err = io.Copy(io.Discard, a.Body)
	return a.StatusCode, err
}

// TestKilledServersLoseNothing kills a server under load, again and again: every
// acknowledged change is there, no request passes a second time, the audit trail
// and the database are whole.
func TestKilledServersLoseNothing(t *testing.T) {
	p := newProcess(t)
	p.start()
	m := p.merchant()
	var acknowledged []string
	for round := range 3 {
		names, passed := p.load(m, round, 60)
		acknowledged = append(acknowledged, names...)
		p.start()
		if len(passed) == 0 {
			t.Error("no request passed before the kill")
		}
		for _, r := range passed {
			status, err := p.pass(r)
			check(t, err)
			if status == http.StatusOK {
				t.Fatal("a request passed again after the crash")
			}
		}
		p.awaitFreshTimestamps(m, round)
	}
	for _, name := range acknowledged {
		var found struct{ Merchants []controlplane.Merchant }
		check(t, p.call("merchant.list", map[string]any{"search": name}, &found))
		if len(found.Merchants) == 0 {
			t.Errorf("the acknowledged merchant %q is lost", name)
		}
	}
	var report controlplane.AuditReport
	check(t, p.call("audit.verify", map[string]any{}, &report))
	if report.FirstBad != 0 || report.Rows < int64(len(acknowledged)) {
		t.Errorf("the audit trail: %+v", report)
	}
	p.kill()
	p.integrity()
}

// awaitFreshTimestamps waits until the gateway accepts again: after a crash it
// refuses the moments whose nonces it has lost.
func (p *process) awaitFreshTimestamps(m merchant, round int) {
	p.t.Helper()
	for i := range 200 {
		status, err := p.pass(p.signed(m, fmt.Sprintf("fresh-after-round-%d-%06d", round, i), time.Now()))
		check(p.t, err)
		if status == http.StatusOK {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Fatal("ten seconds after a crash, fresh requests are still refused")
}

func (p *process) integrity() {
	p.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+p.path("merchants.db"))
	check(p.t, err)
	defer db.Close()
	var verdict string
	check(p.t, db.QueryRow("PRAGMA integrity_check").Scan(&verdict))
	if verdict != "ok" {
		p.t.Errorf("integrity check: %s", verdict)
	}
}
