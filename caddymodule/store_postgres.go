package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"

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

	// How many connections are for reading and for writing, 1 to 1000 each. One more
	// hears what other servers changed. PostgreSQL has to allow (max_connections)
	// those of all servers together.
	//
	// Default: 8 and 16.
	Readers int `json:"readers,omitempty"`
	Writers int `json:"writers,omitempty"`
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
	_, err := s.identity()
	return err
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
	return filepath.Join(caddy.AppDataDir(), "merchants"), nil
}

func (s *PostgresStore) open(ctx context.Context) (*store.DB, error) {
	text, err := s.url()
	if err != nil {
		return nil, err
	}
	c := store.PostgresConfig{URL: text, Readers: s.Readers, Writers: s.Writers}
	if s.PasswordFile != "" {
		c.Password = s.readPassword
	}
	return store.OpenPostgres(ctx, c)
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

// url is the URL with its placeholders replaced. What replaces the password is not
// read as part of a URL: it may hold any character.
func (s *PostgresStore) url() (string, error) {
	fill := func(text string) (string, error) {
		filled, err := caddy.NewReplacer().ReplaceOrErr(text, true, true)
		if err != nil {
			return "", fmt.Errorf("the URL of PostgreSQL: %w", err)
		}
		return filled, nil
	}
	if isPlaceholder(s.URL) {
		return fill(s.URL)
	}
	bare, password := cutPassword(s.URL)
	switch {
	case password == "":
		return fill(bare)
	case !isPlaceholder(password):
		return "", errors.New("the URL of PostgreSQL holds a password, and Caddy's stored configuration would too; put it into a file and give password_file, or write a placeholder such as {env.PGPASS}")
	case s.PasswordFile != "":
		return "", errors.New("the URL of PostgreSQL has a password, and there is a password_file too; give one of them")
	}
	bare, err := fill(bare)
	if err != nil {
		return "", err
	}
	if password, err = fill(password); err != nil {
		return "", err
	}
	u, err := url.Parse(bare)
	if err != nil {
		return "", errors.New("the URL of PostgreSQL is not one; it looks like postgres://user@host:5432/database")
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String(), nil
}

// isPlaceholder reports whether text is one placeholder and nothing else.
func isPlaceholder(text string) bool {
	return len(text) > 2 && text[0] == '{' && strings.IndexByte(text, '}') == len(text)-1
}

// cutPassword takes the password out of a URL.
func cutPassword(raw string) (bare, password string) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw, ""
	}
	end := strings.LastIndexByte(rest, '@')
	if end < 0 {
		return raw, ""
	}
	user, password, ok := strings.Cut(rest[:end], ":")
	if !ok {
		return raw, ""
	}
	return scheme + "://" + user + rest[end:], password
}

var (
	_ storeGuest      = (*PostgresStore)(nil)
	_ caddy.Validator = (*PostgresStore)(nil)
)
