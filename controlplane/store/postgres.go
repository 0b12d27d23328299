package store

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// The preset numbers of connections. Views are short; Updates wait for the disk
	// of the server, so more of them run at once than there are processors.
	postgresReaders = 8
	postgresWriters = 16

	// updateLimit bounds one Update from its first statement to its commit. A server
	// that hangs must not keep callers, and locks, for ever.
	updateLimit = 30 * time.Second
	// viewLimit bounds one View: the first snapshot of millions of keys is the longest.
	viewLimit = time.Minute
	// connectLimit bounds one attempt to connect.
	connectLimit = 10 * time.Second
	// idleLimit is how long a connection is kept that nobody uses.
	idleLimit = 5 * time.Minute
)

// PostgresConfig says where a shared database is.
type PostgresConfig struct {
	// URL as in PostgreSQL's manual, chapter "Connection URIs":
	// postgres://user@host:5432/database. See [ParsePostgres].
	URL string
	// Password is asked for each new connection; nil: the password of the URL, if it
	// has one.
	Password func() (string, error)
	// Readers and Writers are how many Views and Updates run at once; 0 means 8 and
	// 16. The server needs to allow both together, and one more, for each node.
	Readers, Writers int
}

// postgresServer is what of an open PostgreSQL database is not SQL.
type postgresServer struct {
	identity string
	writers  *sql.DB
	listener *listener
	updates  *parallelWriter
}

// OpenPostgres opens the database of several machines and brings its schema up to
// date; any number of processes may do so at once. Errors that people can do
// something about are [*controlplane.Error]: away, refused, another program's,
// newer schema.
func OpenPostgres(ctx context.Context, c PostgresConfig) (*DB, error) {
	db, err := newPostgres(c)
	if err != nil {
		return nil, err
	}
	if err := db.gate.pass(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func newPostgres(c PostgresConfig) (*DB, error) {
	identity, err := PostgresIdentity(c.URL)
	if err != nil {
		return nil, err
	}
	config, err := ParsePostgres(c.URL)
	if err != nil {
		return nil, err
	}
	prepare(config)
	s := &postgresServer{identity: identity, writers: pool(config, c.Password, orPreset(c.Writers, postgresWriters))}
	db := &DB{dialect: postgresDialect{}, server: s, readers: pool(config, c.Password, orPreset(c.Readers, postgresReaders))}
	db.gate = newGate(func(ctx context.Context) (err error) {
		db.schema, err = preparePostgres(ctx, s.writers)
		return err
	})
	s.updates = &parallelWriter{db: s.writers, dialect: db.dialect, committed: db.afterCommit, turn: make(chan struct{}, 1)}
	db.updates = s.updates
	s.listener = listen(func(ctx context.Context) (*pgx.Conn, error) { return connect(ctx, config, c.Password) }, db.watch.wake)
	return db, nil
}

func orPreset(n, preset int) int {
	if n == 0 {
		return preset
	}
	return n
}

// prepare gives every session what keeps one lost node from holding up the others:
// its locks end soon after it does. What the URL says already stays.
func prepare(config *pgx.ConnConfig) {
	config.ConnectTimeout = connectLimit
	config.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}).DialContext
	for name, value := range map[string]string{
		"application_name":                    "merchant-gateway",
		"synchronous_commit":                  "on",
		"statement_timeout":                   "60000",
		"lock_timeout":                        "20000",
		"idle_in_transaction_session_timeout": "30000",
		"tcp_keepalives_idle":                 "10",
		"tcp_keepalives_interval":             "5",
		"tcp_keepalives_count":                "3",
		"tcp_user_timeout":                    "20000",
	} {
		if _, given := config.RuntimeParams[name]; !given {
			config.RuntimeParams[name] = value
		}
	}
}

func pool(config *pgx.ConnConfig, password func() (string, error), size int) *sql.DB {
	db := stdlib.OpenDB(*config, stdlib.OptionBeforeConnect(func(_ context.Context, c *pgx.ConnConfig) error { return setPassword(c, password) }))
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(idleLimit)
	return db
}

func setPassword(c *pgx.ConnConfig, password func() (string, error)) (err error) {
	if password != nil {
		if c.Password, err = password(); err != nil {
			return &controlplane.Error{Code: controlplane.CodeUnavailable, Message: "the password of PostgreSQL cannot be read", Err: err}
		}
	}
	return nil
}

func connect(ctx context.Context, config *pgx.ConnConfig, password func() (string, error)) (*pgx.Conn, error) {
	mine := config.Copy()
	if err := setPassword(mine, password); err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, mine)
}

func (s *postgresServer) stats(db *DB) Stats {
	w, r, u := s.writers.Stats(), db.readers.Stats(), s.updates
	return Stats{
		Kind: "postgres", Path: s.identity, Groups: u.changes.Load(), Updates: u.changes.Load(), LargestGroup: 1,
		Connections: w.OpenConnections + r.OpenConnections, Waits: w.WaitCount + r.WaitCount, Collisions: u.collisions.Load(),
		SchemaVersion: db.Schema(),
	}
}
