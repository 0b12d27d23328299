package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// build compiles the proxy from this checkout.
func build(ctx context.Context, dir string) (string, error) {
	out := filepath.Join(dir, "caddy")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./caddymodule/cmd/caddy")
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	return out, cmd.Run()
}

// proxy is a running Caddy, and what it takes to call it.
type proxy struct {
	name   string
	cmd    *exec.Cmd
	addr   string // of the proxy
	socket string // of its admin endpoint
	caddy  string
}

const gatedSite = `
	merchant_auth test
	reverse_proxy %s`

const bareSite = `
	reverse_proxy %s`

// startProxy runs Caddy on one processor, with the collector off up to a limit
// that both kinds share.
func startProxy(ctx context.Context, o options, dir, name, site, upstream string) (*proxy, error) {
	dir = filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p := &proxy{name: name, addr: addr, socket: filepath.Join(dir, "admin.sock"), caddy: o.caddy}
	config := fmt.Sprintf("{\n\tadmin unix/%s\n\tpersist_config off\n\tauto_https off\n\tlog {\n\t\toutput discard\n\t}\n\tmerchants {\n\t\tstore sqlite %s/m.db\n\t\tallow_private_ranges\n\t}\n}\n\nhttp://%s {\n%s\n}\n",
		p.socket, dir, addr, fmt.Sprintf(site, upstream))
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, "taskset", "-c", "0", o.caddy, "run", "--config", file)
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=512MiB", "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 10 * time.Second
	var log bytes.Buffer
	p.cmd.Stderr = &log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := awaitListener(ctx, addr); err != nil {
		return nil, errors.Join(fmt.Errorf("%s did not start: %s", name, log.String()), err, p.stop())
	}
	return p, nil
}

func (p *proxy) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	err := p.cmd.Wait()
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

// command runs "caddy merchants …" against the proxy and decodes its answer.
func (p *proxy) command(ctx context.Context, out any, args ...string) error {
	args = append(append([]string{"merchants"}, args...), "--json", "--address", "unix/"+p.socket)
	cmd := exec.CommandContext(ctx, p.caddy, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("caddy %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return json.Unmarshal(text, out)
}

// credentials makes a merchant that may call from loopback.
func (p *proxy) credentials(ctx context.Context) (keyID, secret string, err error) {
	var merchant struct {
		Merchant struct{ ID string }
	}
	if err := p.command(ctx, &merchant, "merchant", "create", "--name", "Bench"); err != nil {
		return "", "", err
	}
	var entry any
	if err := p.command(ctx, &entry, "allowlist", "add", "--merchant", merchant.Merchant.ID, "--cidr", "127.0.0.1", "--note", "bench"); err != nil {
		return "", "", err
	}
	var issued struct {
		Key    struct{ ID string }
		Secret string
	}
	err = p.command(ctx, &issued, "key", "issue", "--merchant", merchant.Merchant.ID, "--env", "test")
	return issued.Key.ID, issued.Secret, err
}

// cpu is the processor time charged to the process so far.
func (p *proxy) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
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
