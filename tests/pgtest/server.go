// Package pgtest starts a PostgreSQL of a test's own: Debian's binaries, a data
// directory that is deleted, a free port on loopback. What runs on the machine
// already is not touched, and a machine without PostgreSQL fails the test.
package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// patience is how long a server may take to start or to stop.
const patience = time.Minute

// Server is one PostgreSQL. The zero value starts with the first use, so that a
// binary whose chosen tests need none starts none.
type Server struct {
	// Durable makes it wait for the disk and clean up after itself as in production, for
	// tests that kill it and for measurements.
	Durable bool

	once sync.Once
	err  error
	up   *process

	templates sync.Map // name → *template
	databases atomic.Int64
}

type process struct {
	dir, bin, password string
	port               int
	as                 *syscall.Credential
	cmd                *exec.Cmd
	exited             chan struct{}
}

// Host is where it listens.
func (s *Server) Host(t testing.TB) string {
	t.Helper()
	return s.started(t).host()
}

// URL is a database of it, as its superuser.
func (s *Server) URL(t testing.TB, database string) string {
	t.Helper()
	return s.started(t).url("postgres", database)
}

// Database makes an empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return s.database(t, "template0")
}

// template is a database that others are copies of.
type template struct {
	once sync.Once
	err  error
}

// Copy makes a database that begins as fill has left one of that name: filled once,
// then copied, which takes a fifth of the time of migrating.
func (s *Server) Copy(t testing.TB, name string, fill func(url string) error) string {
	t.Helper()
	v, _ := s.templates.LoadOrStore(name, new(template))
	of := v.(*template)
	p := s.started(t)
	of.once.Do(func() {
		if of.err = p.exec("CREATE DATABASE " + pgx.Identifier{name}.Sanitize() + " TEMPLATE template0"); of.err == nil {
			of.err = fill(p.url("postgres", name))
		}
	})
	if of.err != nil {
		t.Fatalf("make the template %s: %v", name, of.err)
	}
	return s.database(t, name)
}

func (s *Server) database(t testing.TB, from string) string {
	t.Helper()
	p := s.started(t)
	name := "t" + strconv.FormatInt(s.databases.Add(1), 10)
	if err := p.exec("CREATE DATABASE " + name + " TEMPLATE " + pgx.Identifier{from}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// It ends what still uses the database: a test that failed may have left it.
		if err := p.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return p.url("postgres", name)
}

// As is a URL for another role.
func As(raw, role, password string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	u.User = url.UserPassword(role, password)
	return u.String(), nil
}

func (s *Server) started(t testing.TB) *process {
	t.Helper()
	s.once.Do(func() { s.up, s.err = start(s.Durable) })
	if s.err != nil {
		t.Fatalf("start a PostgreSQL (Debian's package is postgresql): %v", s.err)
	}
	return s.up
}

// Stop ends the server, if it was started, and deletes its data. TestMain calls it
// when the tests are over.
func (s *Server) Stop() error {
	if s.up == nil {
		return nil
	}
	return errors.Join(s.up.halt(syscall.SIGQUIT), os.RemoveAll(s.up.dir))
}

// Halt stops it at once, as a power cut would; Resume starts it on the same data and
// port.
func (s *Server) Halt(t testing.TB) {
	t.Helper()
	if err := s.started(t).halt(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
}

// Resume undoes Halt.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	if err := s.started(t).run(s.Durable); err != nil {
		t.Fatal(err)
	}
}

func start(durable bool) (*process, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	p := &process{bin: bin, password: rand.Text()}
	if p.as, err = nobodyRoot(); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return nil, err
	}
	if err := errors.Join(p.initialise(), p.choosePort()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	if err := p.run(durable); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	return p, nil
}

// binaries is the folder of the newest version: Debian puts only psql and the like
// on the PATH.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.Join(err, errors.New("there is no /usr/lib/postgresql/*/bin/initdb"))
	}
	version := func(path string) int {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err != nil {
			return 0
		}
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// nobodyRoot is whom to run it as: PostgreSQL refuses to be root.
func nobodyRoot() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, badUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, badGID := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(badUID, badGID)
}

func (p *process) initialise() error {
	secret := filepath.Join(p.dir, "password")
	if err := os.WriteFile(secret, []byte(p.password), 0o600); err != nil {
		return err
	}
	if p.as != nil {
		if err := errors.Join(os.Chown(p.dir, int(p.as.Uid), int(p.as.Gid)), os.Chown(secret, int(p.as.Uid), int(p.as.Gid))); err != nil {
			return err
		}
	}
	out, err := p.command("initdb", "--pgdata="+p.data(), "--username=postgres", "--pwfile="+secret, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func (p *process) data() string { return filepath.Join(p.dir, "data") }

func (p *process) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir
	// The server ends with the test binary, however that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

func (p *process) choosePort() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p.port = l.Addr().(*net.TCPAddr).Port
	return l.Close()
}

func (p *process) host() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

func (p *process) url(role, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, p.password), Host: p.host(), Path: database, RawQuery: "sslmode=disable"}
	return u.String()
}

// run starts the server and returns when it answers.
func (p *process) run(durable bool) error {
	settings := []string{
		"-D", p.data(), "-p", strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "max_connections=400", "-c", "shared_buffers=64MB",
	}
	if !durable {
		settings = append(settings, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "autovacuum=off")
	}
	log, err := os.Create(filepath.Join(p.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close() // the server has it open itself
	p.cmd, p.exited = p.command("postgres", settings...), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		if err := cmd.Wait(); err != nil {
			return // it was killed; whoever waits looks at the log
		}
	}(p.cmd, p.exited)
	return p.awaitAnswer()
}

func (p *process) awaitAnswer() error {
	deadline := time.Now().Add(patience)
	for {
		err := p.exec("SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			text, bad := os.ReadFile(filepath.Join(p.dir, "log"))
			return errors.Join(fmt.Errorf("it ended: %s", text), bad)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}

func (p *process) halt(with os.Signal) error {
	select {
	case <-p.exited:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(with); err != nil {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(patience):
		return errors.New("PostgreSQL does not stop")
	}
}

// exec runs one command as the superuser.
func (p *process) exec(text string) error { return Exec(p.url("postgres", "postgres"), text) }

// Exec runs commands in a database, by a connection of their own.
func Exec(url, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, text).ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

// Open is a pool of plain connections, closed with the test.
func Open(t testing.TB, url string) *sql.DB {
	t.Helper()
	c, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*c)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// M runs tests; [testing.M] does.
type M interface{ Run() int }

// Around stops the server when the tests of m are over.
func (s *Server) Around(m M) M { return &around{m, s} }

type around struct {
	M
	server *Server
}

func (a *around) Run() int {
	code := a.M.Run()
	if err := a.server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		return 1
	}
	return code
}
