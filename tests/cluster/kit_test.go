package cluster

import (
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/tests/pgtest"
	"github.com/unknownpay/merchant-gateway/tests/redistest"
)

// patience is the longest that a machine busy with other tests may need for anything.
const patience = 2 * time.Minute

// whole runs everything at the size of the claims in docs/scaling.md, which takes
// minutes: see "make -f xcaddy.mk cluster".
func whole() bool { return os.Getenv("CLUSTER") == "whole" }

// cluster is what its nodes share.
type cluster struct {
	t        *testing.T
	dir      string
	database pgtest.Server
	redis    *redistest.Server
	owner    string // URL of the database for the tables' owner
	gateway  string // and for a gateway's role
	receiver *receiver
	nodes    []*node
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	t.Parallel()
	caddy(t)
	// t.TempDir is too long for the path of a unix socket.
	dir, err := os.MkdirTemp("", "c")
	check(t, err)
	c := &cluster{t: t, dir: dir, redis: redistest.Start(t)}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			n.kill()
		}
		check(t, c.database.Stop())
		check(t, os.RemoveAll(dir))
	})
	c.owner = c.database.Database(t)
	key := make([]byte, 32)
	_, err = rand.Read(key)
	check(t, err)
	check(t, os.WriteFile(c.path("root.key"), []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o400))
	check(t, os.WriteFile(c.path("redis"), []byte(c.redis.Password), 0o600))
	c.receiver = startReceiver(c)
	return c
}

func (c *cluster) path(name string) string { return filepath.Join(c.dir, name) }

// grant runs docs/postgres-roles.sql, as the owner does after each upgrade. The tables
// have to be there.
func (c *cluster) grant() {
	c.t.Helper()
	c.grantBy(filepath.Join(root, "docs/postgres-roles.sql"))
}

func (c *cluster) grantBy(file string) {
	c.t.Helper()
	text, err := os.ReadFile(file)
	check(c.t, err)
	check(c.t, pgtest.Exec(c.owner, string(text)))
	check(c.t, pgtest.Exec(c.owner, "ALTER ROLE merchants_gateway PASSWORD 'gate'"))
	c.gateway, err = pgtest.As(c.owner, "merchants_gateway", "gate")
	check(c.t, err)
}

// sql is a look into the database beside the nodes.
func (c *cluster) sql() *sql.DB { return pgtest.Open(c.t, c.owner) }

// number is the only value of a query's only row.
func number(t testing.TB, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	check(t, db.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

// storeLine is the store of a node, whose password is in a file of its own.
func storeLine(t testing.TB, raw, dir, more string) string {
	t.Helper()
	u, err := url.Parse(raw)
	check(t, err)
	password, _ := u.User.Password()
	u.User = url.User(u.User.Username())
	check(t, os.WriteFile(filepath.Join(dir, "password"), []byte(password), 0o600))
	return fmt.Sprintf("store postgres %s {\npassword_file %[2]s/password\nstate_dir %[2]s\n%s\n}", u, dir, more)
}

// freeAddr is below the ports that the system gives to clients, so that nobody's
// connection takes it while its node is away.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		var b [2]byte
		_, err := rand.Read(b[:])
		check(t, err)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+(int(b[0])<<8|int(b[1]))%12000))
		if l, err := net.Listen("tcp", addr); err == nil {
			check(t, l.Close())
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

func port(addr string) string {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	return p
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what other processes do.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what)
}
