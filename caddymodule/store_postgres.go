package caddymodule

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// PostgresStore keeps the control plane in PostgreSQL, for several servers at once.
// They need the same root key, which is not in the database.
type PostgresStore struct {
	// Where the database is: postgres://user@host:5432/database. It has to be there;
	// the tables are made at the first start. The server has to prove who it is
	// (sslmode=verify-full), unless it is on this machine or the URL has another
	// sslmode. May have placeholders such as {env.DATABASE_URL}.
	//
	// A password has to be a placeholder, as in postgres://user:{env.PGPASS}@host/db,
	// or in a file of its own: Caddy stores its configuration, and shows it at its
	// admin endpoint.
	URL string `json:"url"`

	// The path of a file with nothing but the password. It is read for each new
	// connection, so that the password can be changed without a restart.
	//
	// Default: the password of the URL.
	PasswordFile string `json:"password_file,omitempty"`

	// The directory of the files that belong to the data and are not in PostgreSQL: the
	// root key, and what the memory of nonces keeps.
	//
	// Default: merchants in Caddy's data directory.
	StateDir string `json:"state_dir,omitempty"`

	// How many connections are for reading and for writing, 1 to 1000 each. One more
	// hears what other servers changed. PostgreSQL has to allow (max_connections)
	// those of all servers together.
	//
	// Default: 8 and 16.
	Readers int `json:"readers,omitempty"`
	Writers int `json:"writers,omitempty"`

	// The path of a file that holds what requests are decided by, sealed with the root
	// key. It is written soon after each change, and every ten minutes. When the
	// database is away at a start, requests are decided by it. "off" keeps none.
	//
	// Default: last-known-good beside the root key.
	LastKnownGood string `json:"last_known_good,omitempty"`

	// How long requests are decided without the database, counted from when it last
	// answered, over restarts too; after that they are refused with 503
	// AUTH_UNAVAILABLE until it is back. A key that is revoked meanwhile goes on
	// working for that long. 1m to 720h (30 days).
	//
	// Default: 24h.
	MaxStale caddy.Duration `json:"max_stale,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*PostgresStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "merchants.stores.postgres",
		New: func() caddy.Module { return new(PostgresStore) },
	}
}

const maxConnections = 1000

// Validate reads the URL. It connects to nothing.
func (s *PostgresStore) Validate() error {
	if s.Readers < 0 || s.Readers > maxConnections || s.Writers < 0 || s.Writers > maxConnections {
		return fmt.Errorf("readers is %d and writers is %d; give 1 to %d each", s.Readers, s.Writers, maxConnections)
	}
	if stale := time.Duration(s.MaxStale); stale != 0 && (stale < time.Minute || stale > controlplane.RevokedKeyRetention) {
		return fmt.Errorf("max_stale is %v; give 1m to %v", stale, controlplane.RevokedKeyRetention)
	}
	_, err := s.identity()
	return err
}

const (
	defaultMaxStale   = 24 * time.Hour
	defaultLastGood   = "last-known-good"
	lastKnownGoodNone = "off"
)

func (s *PostgresStore) standby() (out standby, err error) {
	if out.source, err = s.identity(); err != nil {
		return out, err
	}
	out.path, out.maxStale = s.LastKnownGood, cmp.Or(time.Duration(s.MaxStale), defaultMaxStale)
	switch out.path {
	case lastKnownGoodNone:
		out.path = ""
	case "":
		dir, err := s.directory()
		if err != nil {
			return out, err
		}
		out.path = filepath.Join(dir, defaultLastGood)
	}
	return out, nil
}

// identity leaves the password out: another one is the same data.
func (s *PostgresStore) identity() (string, error) {
	text, err := s.url()
	if err != nil {
		return "", err
	}
	return store.PostgresIdentity(text)
}

// directory is where the root key and the nonces lie; the data itself is elsewhere.
func (s *PostgresStore) directory() (string, error) {
	if s.StateDir != "" {
		return filepath.Abs(s.StateDir)
	}
	return filepath.Join(caddy.AppDataDir(), "merchants"), nil
}

func (s *PostgresStore) open(ctx context.Context) (*store.DB, error) {
	c, err := s.config()
	if err != nil {
		return nil, err
	}
	return store.OpenPostgres(ctx, c)
}

func (s *PostgresStore) openLater() (*store.DB, error) {
	c, err := s.config()
	if err != nil {
		return nil, err
	}
	return store.OpenPostgresLater(c)
}

func (s *PostgresStore) config() (c store.PostgresConfig, err error) {
	text, err := s.url()
	if err != nil {
		return c, err
	}
	c = store.PostgresConfig{URL: text, Readers: s.Readers, Writers: s.Writers}
	if s.PasswordFile != "" {
		c.Password = s.readPassword
	}
	return c, nil
}

func (s *PostgresStore) readPassword() (string, error) {
	text, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", err
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("%s is empty", s.PasswordFile)
	}
	return password, nil
}

func (s *PostgresStore) url() (string, error) {
	return secretURL{of: "PostgreSQL", example: "postgres://user@host:5432/database", given: s.URL, passwordFile: s.PasswordFile}.filled()
}

var (
	_ standbyGuest    = (*PostgresStore)(nil)
	_ caddy.Validator = (*PostgresStore)(nil)
)
