package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// node is one server, which can be killed, ended and started again on the same state.
type node struct {
	t             *testing.T
	name, dir     string
	program       string
	addr, portal  string
	file          string // its Caddyfile
	caddyfile     string
	admin, client *http.Client

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
}

// made says what a node is.
type made struct {
	name  string
	url   string // of the database
	store string // more lines of the store
	// delivers makes it take events in, send them, and show the portal.
	delivers bool
	program  string // instead of this checkout's
}

// node starts one.
func (c *cluster) node(m made) *node {
	c.t.Helper()
	n := c.prepare(m)
	n.start()
	return n
}

// prepare makes what a node needs.
func (c *cluster) prepare(m made) *node {
	c.t.Helper()
	n := &node{t: c.t, name: m.name, dir: c.path(m.name), program: m.program, addr: freeAddr(c.t), portal: freeAddr(c.t)}
	c.nodes = append(c.nodes, n)
	if n.program == "" {
		n.program = caddy(c.t)
	}
	check(c.t, os.MkdirAll(n.dir, 0o700))
	n.file = filepath.Join(n.dir, "Caddyfile")
	n.caddyfile = c.caddyfile(n, m)
	check(c.t, os.WriteFile(n.file, []byte(n.caddyfile), 0o600))
	n.client = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	n.admin = &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(n.dir, "admin"))
		},
	}}
	c.t.Cleanup(n.client.CloseIdleConnections)
	return n
}

// caddyfile has a Redis that answers late on a busy machine refuse nobody.
func (c *cluster) caddyfile(n *node, m made) string {
	c.t.Helper()
	delivery, events, portal := "", "", ""
	if m.delivers {
		delivery = fmt.Sprintf("delivery {\nallowed_ports %s\nallowed_private_ranges 127.0.0.0/8\ntrusted_ca_certs %s\n}", c.receiver.port(), c.receiver.caFile)
		events = "handle /v1/events {\nmerchant_events\n}"
		portal = fmt.Sprintf("https://:%s {\nbind 127.0.0.1\ntls %s %s\nmerchant_portal\n}", port(n.portal), c.receiver.certFile, c.receiver.keyFile)
	}
	return fmt.Sprintf(`{
	admin unix/%[1]s/admin
	persist_config off
	auto_https disable_redirects
	skip_install_trust
	log {
		output file %[1]s/log
		format json
	}
	merchants {
		%[2]s
		keyring %[3]s
		replay redis redis://%[4]s {
			password_file %[5]s
			timeout 20s
			dial_timeout 20s
		}
		allow_private_ranges
		%[6]s
	}
}
http://:%[7]s {
	bind 127.0.0.1
	%[8]s
	handle {
		merchant_auth
		respond "passed {unk.merchant_id}"
	}
}
%[9]s
`, n.dir, storeLine(c.t, m.url, n.dir, m.store), c.path("root.key"), c.redis.Host(), c.path("redis"), delivery, port(n.addr), events, portal)
}

// launch begins the process and waits for nothing.
func (n *node) launch() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	cmd := exec.Command(n.program, "run", "--config", n.file, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+n.dir, "XDG_DATA_HOME="+n.dir, "XDG_CONFIG_HOME="+n.dir)
	output, err := os.Create(filepath.Join(n.dir, "output"))
	if err != nil {
		return err
	}
	defer output.Close() // the process has it open itself
	cmd.Stdout, cmd.Stderr = output, output
	// It ends with the test binary, however that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	n.cmd, n.exited = cmd, exited
	go func() {
		defer close(exited)
		if err := cmd.Wait(); err != nil {
			return // killed, or it says why in its output
		}
	}()
	return nil
}

// start returns when the node answers requests.
func (n *node) start() {
	n.t.Helper()
	check(n.t, n.launch())
	if err := n.await(); err != nil {
		n.t.Fatalf("%s: %v: %s", n.name, err, n.said())
	}
}

// await asks the node itself: that it listens does not mean that it has its database.
func (n *node) await() (err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !n.running() {
			return errors.New("it ended")
		}
		var status struct{ Gateway *struct{ Revision int64 } }
		if err = n.try("system.status", fields{}, &status); err == nil && status.Gateway != nil {
			return n.listens()
		}
	}
	return fmt.Errorf("it is not ready: %w", err)
}

func (n *node) listens() error {
	c, err := net.Dial("tcp", n.addr)
	if err != nil {
		return err
	}
	return c.Close()
}

func (n *node) process() (*exec.Cmd, chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cmd, n.exited
}

func (n *node) running() bool {
	cmd, exited := n.process()
	if cmd == nil {
		return false
	}
	select {
	case <-exited:
		return false
	default:
		return true
	}
}

// pid is 0 for a node that never ran.
func (n *node) pid() int {
	cmd, _ := n.process()
	if cmd == nil {
		return 0
	}
	return cmd.Process.Pid
}

// kill is what a crash does: no handler of the process runs.
func (n *node) kill() { n.end(syscall.SIGKILL) }

// stop lets it finish what it has begun.
func (n *node) stop() { n.end(syscall.SIGTERM) }

func (n *node) end(with os.Signal) {
	cmd, exited := n.process()
	if cmd == nil || !n.running() {
		return
	}
	if err := cmd.Process.Signal(with); err != nil {
		n.t.Errorf("%s: %v", n.name, err)
	}
	select {
	case <-exited:
	case <-time.After(patience):
		n.t.Errorf("%s does not end", n.name)
	}
	n.client.CloseIdleConnections()
}

// said is the end of what the process wrote.
func (n *node) said() string {
	var all []byte
	for _, name := range []string{"output", "log"} {
		text, err := os.ReadFile(filepath.Join(n.dir, name))
		if err != nil && !os.IsNotExist(err) {
			n.t.Error(err)
		}
		all = append(all, text[max(0, len(text)-4000):]...)
	}
	return string(all)
}

type fields map[string]any

// try makes one of the operator's calls at this node.
func (n *node) try(name string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/merchants/"+name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Unk-Operator", "test")
	a, err := send(n.admin, r)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("%s at %s: %d %s", name, n.name, a.status, a.body)
	}
	return json.Unmarshal([]byte(a.body), out)
}

func (n *node) call(name string, in, out any) {
	n.t.Helper()
	check(n.t, n.try(name, in, out))
}

// answer is a response, read.
type answer struct {
	status int
	body   string
}

func (a answer) has(status int, code string) bool {
	return a.status == status && strings.Contains(a.body, `"code":"`+code+`"`)
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
	return answer{res.StatusCode, string(body)}, err
}
