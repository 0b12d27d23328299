// Package redistest starts a Redis of a test's own: Debian's redis-server, a
// directory that is deleted, a free port on loopback. What runs on the machine
// already is not touched, and a machine without Redis fails the test.
package redistest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start or to stop.
const patience = 30 * time.Second

// Server is one Redis that keeps nothing on disk.
type Server struct {
	Password string
	// CAFile is the certificate that a Redis with TLS proves itself by.
	CAFile string

	dir, port string
	args      []string
	cmd       *exec.Cmd
}

// Start runs a Redis until the test ends. args are more lines of its configuration,
// as on its command line.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{dir: t.TempDir(), Password: rand.Text(), args: args}
	s.choosePort(t)
	s.Resume(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// StartTLS runs one that speaks TLS only.
func StartTLS(t testing.TB) *Server {
	t.Helper()
	s := &Server{dir: t.TempDir(), Password: rand.Text()}
	s.CAFile = filepath.Join(s.dir, "redis.pem")
	key := filepath.Join(s.dir, "redis.key")
	certificate(t, s.CAFile, key)
	s.choosePort(t)
	s.args = []string{"--port", "0", "--tls-port", s.port, "--tls-cert-file", s.CAFile, "--tls-key-file", key, "--tls-auth-clients", "no"}
	s.Resume(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Host is where it listens.
func (s *Server) Host() string { return net.JoinHostPort("127.0.0.1", s.port) }

// URL is that of its first database, with the password.
func (s *Server) URL() string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", s.Password), Host: s.Host()}
	if s.CAFile != "" {
		u.Scheme = "rediss"
	}
	return u.String()
}

// Resume starts it again after Stop, on the same port and with nothing in it.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	args := append([]string{"--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no",
		"--logfile", filepath.Join(s.dir, "log"), "--requirepass", s.Password}, s.args...)
	s.cmd = exec.Command("redis-server", args...)
	// The server ends with the test binary, however that ends.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start a Redis (Debian's package is redis-server): %v", err)
	}
	s.awaitPort(t)
}

func (s *Server) awaitPort(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", s.Host())
		if err == nil {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		// A goroutine that waits for it would be a leak to the tests that look for some.
		ended, bad := syscall.Wait4(s.cmd.Process.Pid, nil, syscall.WNOHANG, nil)
		if ended != 0 || time.Now().After(deadline) {
			text, unread := os.ReadFile(filepath.Join(s.dir, "log"))
			t.Fatalf("Redis does not listen: %s (%v)", text, errors.Join(err, bad, unread))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Stop kills it, and with it what it remembered.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := s.cmd.Wait(); err == nil {
		t.Error("Redis had ended before it was killed")
	}
	s.cmd = nil
}

// Freeze makes it answer nobody, with every connection open, until Thaw.
func (s *Server) Freeze(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Thaw undoes Freeze: what was sent meanwhile is done now.
func (s *Server) Thaw(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// Do runs one command without TLS and returns the first line of the answer.
func (s *Server) Do(t testing.TB, words ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", s.Host())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() // nothing was buffered
	answers := bufio.NewReader(c)
	var line string
	for _, command := range [][]string{{"AUTH", s.Password}, words} {
		if _, err := c.Write(encode(command)); err != nil {
			t.Fatal(err)
		}
		if line, err = answers.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "-") {
			t.Fatalf("redis: %s: %s", command[0], line)
		}
	}
	return strings.TrimSpace(line)
}

// encode writes a command as an array of strings (RESP, the protocol of Redis).
func encode(words []string) []byte {
	out := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(w), w)
	}
	return out
}

func (s *Server) choosePort(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// certificate writes one for 127.0.0.1, signed by itself.
func certificate(t testing.TB, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}
