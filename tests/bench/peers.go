package main

import (
	"context"
	"embed"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is what people would pick instead, configured to check what UNK1 signs.
type peer struct {
	name     string
	program  string
	packages []string // Debian's
	// files are written to the peer's folder with places filled in.
	files []string
	args  []string
}

//go:embed peers
var peerFiles embed.FS

func peers() []peer {
	return []peer{
		{
			name: "HAProxy", program: "/usr/sbin/haproxy", packages: []string{"haproxy"},
			files: []string{"haproxy.cfg"}, args: []string{"-db", "-f", "@DIR@/haproxy.cfg"},
		},
		{
			name: "nginx", program: "/usr/sbin/nginx", packages: []string{"nginx", "libnginx-mod-http-lua"},
			files: []string{"nginx.conf", "gate.lua"}, args: []string{"-p", "@DIR@", "-c", "@DIR@/nginx.conf"},
		},
	}
}

// install gets the packages, unless the program is there.
func (p *peer) install(ctx context.Context) error {
	if _, err := os.Stat(p.program); err == nil {
		return nil
	}
	packages := strings.Join(p.packages, " ")
	if os.Getuid() != 0 {
		return fmt.Errorf("%s is not installed: as root, run apt-get install --no-install-recommends %s, or leave the peers out with -peers=false", p.name, packages)
	}
	fmt.Fprintln(os.Stderr, "apt-get install", packages)
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"install", "-q", "-y", "--no-install-recommends"}, p.packages...)...)
	// Debian starts a server that it installs; in runlevel 1 it does not.
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install %s (apt-get update may help): %w\n%s", packages, err, out)
	}
	return nil
}

// account is who may call a peer.
type account struct{ keyID, secret string }

// start runs the peer on the processor of the proxies, with bodies of up to size.
func (p *peer) start(ctx context.Context, dir, upstream string, size int, who account) (*server, error) {
	dir = filepath.Join(dir, fmt.Sprintf("%s-%d", p.name, size))
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	// HAProxy wants 1 KiB of a buffer for headers that it adds.
	fill := strings.NewReplacer("@DIR@", dir, "@ADDR@", addr, "@UPSTREAM@", upstream, "@BUFFER@", fmt.Sprint(size+16<<10))
	if err := p.configure(dir, fill, who); err != nil {
		return nil, err
	}
	args := []string{"-c", "0", p.program}
	for _, a := range p.args {
		args = append(args, fill.Replace(a))
	}
	s := &server{name: p.name, addr: addr, cmd: exec.CommandContext(ctx, "taskset", args...)}
	return s, s.run(ctx)
}

func (p *peer) configure(dir string, fill *strings.Replacer, who account) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	files := map[string]string{
		"allowlist": "127.0.0.1\n",
		"secrets":   who.keyID + " " + base64.StdEncoding.EncodeToString([]byte(who.secret)) + "\n",
		"keys":      who.keyID + " " + who.secret + "\n",
	}
	for _, name := range p.files {
		text, err := peerFiles.ReadFile("peers/" + name)
		if err != nil {
			return err
		}
		files[name] = fill.Replace(string(text))
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
