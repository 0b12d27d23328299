package main

import (
	"bytes"
	"cmp"
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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// build compiles the server from this checkout.
func build(ctx context.Context, dir, name string, flags ...string) (string, error) {
	out := filepath.Join(dir, name)
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", out}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./caddymodule/cmd/caddy")...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	return out, cmd.Run()
}

// server is a running Caddy with one plain site.
type server struct {
	name   string
	cmd    *exec.Cmd
	addr   string // of the site
	socket string // of the admin endpoint
	client *http.Client
}

// launch says what to start. Merchants is what stands in the block of that name
// beside the store, which is SQLite unless it is named.
type launch struct {
	name, site, merchants string
	store                 string
	env                   []string
	prefix                []string // a command that runs the server
}

func (l launch) start(ctx context.Context, o options, dir string) (*server, error) {
	dir = filepath.Join(dir, l.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := &server{name: l.name, addr: addr, socket: filepath.Join(dir, "admin.sock")}
	s.client = adminClient(s.socket)
	config := fmt.Sprintf("{\n\tadmin unix/%s\n\tpersist_config off\n\tauto_https off\n\tlog {\n\t\toutput discard\n\t}\n\tmerchants {\n\t\tstore %s\n\t\tallow_private_ranges\n%s\n\t}\n}\n\nhttp://%s {\n%s\n}\n",
		s.socket, cmp.Or(l.store, "sqlite "+dir+"/m.db"), l.merchants, addr, l.site)
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	args := append(l.prefix, o.caddy, "run", "--config", file)
	s.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	s.cmd.Env = append(append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir), l.env...)
	return s, s.run(ctx)
}

// run starts the process and returns when it listens.
func (s *server) run(ctx context.Context) error {
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 10 * time.Second
	var log bytes.Buffer
	s.cmd.Stderr = &log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	if err := awaitListener(ctx, s.addr); err != nil {
		stopped := s.stop() // and only then may the log be read
		return errors.Join(fmt.Errorf("%s did not start: %s", s.name, log.String()), err, stopped)
	}
	return nil
}

func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil // ended by our signal
	}
	return err
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func awaitListener(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing listens on %s: %w", addr, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func adminClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}

// call makes one of the operator's calls and decodes its answer.
func (s *server) call(ctx context.Context, name string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1/merchants/"+name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Unk-Operator", "bench")
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: answer %d: %s", name, resp.StatusCode, text)
	}
	return json.Unmarshal(text, out)
}

type fields map[string]any

func (s *server) merchant(ctx context.Context) (id string, err error) {
	var made struct{ Merchant struct{ ID string } }
	err = s.call(ctx, "merchant.create", fields{"name": "Bench"}, &made)
	return made.Merchant.ID, err
}

// credentials makes a merchant that may call from loopback.
func (s *server) credentials(ctx context.Context, environment string) (who account, err error) {
	merchant, err := s.merchant(ctx)
	if err != nil {
		return who, err
	}
	var entry any
	if err := s.call(ctx, "allowlist.add", fields{"merchant_id": merchant, "cidr": "127.0.0.1", "note": "bench"}, &entry); err != nil {
		return who, err
	}
	var issued struct {
		Key    struct{ ID string }
		Secret string
	}
	err = s.call(ctx, "key.issue", fields{"merchant_id": merchant, "environment": environment}, &issued)
	return account{issued.Key.ID, issued.Secret}, err
}

// cpu is the processor time charged to the process so far.
func (s *server) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; the fields after it do not.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// usage is what a process has used so far.
type usage struct {
	cpu     time.Duration
	written int64 // bytes for disks
}

func (s *server) used() (u usage, err error) {
	if u.cpu, err = s.cpu(); err != nil {
		return u, err
	}
	u.written, err = s.proc("io", "write_bytes:")
	return u, err
}

// proc reads a number from one of the process's files in /proc.
func (s *server) proc(file, name string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			return strconv.ParseInt(fields[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("/proc: %s has no %s", file, name)
}

// kill ends the process without a word, and waits until it is gone.
func (s *server) kill() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	var exit *exec.ExitError
	if err := s.cmd.Wait(); !errors.As(err, &exit) {
		return err
	}
	return nil
}
