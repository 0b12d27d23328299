package store

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	postgresPort = "5432"
	// sslModes are those of PostgreSQL's manual, "SSL Mode Descriptions".
	sslModes = "disable, allow, prefer, require, verify-ca, verify-full"
)

// ParsePostgres reads a URL of PostgreSQL. Without an sslmode, a server that is not
// on this machine has to prove who it is (verify-full): PostgreSQL's own preset,
// prefer, would send the password to whoever answers.
//
// No error holds the URL: there may be a password in it.
func ParsePostgres(raw string) (*pgx.ConnConfig, error) {
	u, err := postgresURL(raw)
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, invalidPostgres("cannot be read; check its options, and that the files that it names are there")
	}
	return config, nil
}

// PostgresIdentity is the one text by which a database is known: the URL without its
// password, with what was left out filled in. It connects to nothing.
func PostgresIdentity(raw string) (string, error) {
	u, err := postgresURL(raw)
	if err != nil {
		return "", err
	}
	u.User = url.User(u.User.Username())
	return u.String(), nil
}

// postgresURL checks the parts that this program goes by, and fills in the rest.
func postgresURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" || u.Fragment != "" {
		return nil, invalidPostgres("is not one; it looks like postgres://user@host:5432/database")
	}
	q := u.Query()
	switch {
	case u.User.Username() == "":
		return nil, invalidPostgres("names no user; it looks like postgres://user@host:5432/database")
	case strings.Trim(u.Path, "/") == "":
		return nil, invalidPostgres("names no database; it looks like postgres://user@host:5432/database")
	case u.Hostname() == "" && q.Get("host") == "":
		return nil, invalidPostgres("names no host; it looks like postgres://user@host:5432/database")
	case q.Has("password") || q.Has("user") || q.Has("dbname"):
		return nil, invalidPostgres("has its user, password or database as options; write postgres://user@host:5432/database")
	}
	if mode := q.Get("sslmode"); q.Has("sslmode") && (mode == "" || !strings.Contains(", "+sslModes+",", ", "+mode+",")) {
		return nil, invalidPostgres("has an sslmode that is none of: %s", sslModes)
	}
	if !q.Has("sslmode") && !onThisMachine(u.Hostname(), q.Get("host")) {
		q.Set("sslmode", "verify-full")
	}
	u.Scheme, u.RawQuery = "postgres", q.Encode()
	if u.Hostname() != "" && u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), postgresPort)
	}
	return u, nil
}

// onThisMachine is for loopback addresses and the directories of Unix sockets.
func onThisMachine(host, option string) bool {
	if option != "" {
		return strings.HasPrefix(option, "/")
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func invalidPostgres(format string, args ...any) error {
	return controlplane.InvalidField("url", "the URL of PostgreSQL "+format, args...)
}
