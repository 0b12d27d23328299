package replay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// DefaultRedisTimeout bounds one exchange with Redis, DefaultRedisDialTimeout the opening of a
	// connection. A request waits that long before it is refused.
	DefaultRedisTimeout     = 250 * time.Millisecond
	DefaultRedisDialTimeout = time.Second
	// DefaultRedisPrefix begins every key.
	DefaultRedisPrefix = "unk:nonce:"

	redisPort        = "6379"
	maxRedisTimeout  = time.Minute
	maxRedisDatabase = 1 << 20
)

// RedisOptions configures [OpenRedis].
type RedisOptions struct {
	// URL is redis://[user[:password]@]host[:port][/database], or rediss://… for TLS 1.2 or newer.
	URL string
	// PasswordFile holds the password, alone on its line, in place of one in the URL. It is read for
	// every new connection, so a new password needs no restart.
	PasswordFile string
	// CAFile holds the certificates to trust instead of the system's, in PEM.
	CAFile string
	// Plaintext allows redis:// to another machine. Whoever can change what is said on the way can
	// have replays accepted.
	Plaintext bool
	// Prefix begins every key; gateways with one prefix and database share their nonces.
	Prefix string
	// Timeout and DialTimeout are the defaults when 0.
	Timeout, DialTimeout time.Duration
	// Clock is time.Now when nil.
	Clock func() time.Time
}

// RedisAddress is where a URL leads, without what is secret in it.
type RedisAddress struct {
	TLS      bool
	Host     string // with the port
	Username string
	Database int
	// HasPassword: there is a password in the URL.
	HasPassword bool

	password string
}

// String is "host:port/database".
func (a RedisAddress) String() string { return a.Host + "/" + strconv.Itoa(a.Database) }

// ParseRedis reads a URL of Redis. No error holds the URL: there may be a password in it.
func ParseRedis(raw string) (a RedisAddress, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Opaque != "" {
		return a, errors.New("the URL of Redis is not one; it looks like rediss://user@redis.example.com:6379/0")
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return a, errors.New("the URL of Redis has options behind a ? or #, which it cannot; they are options of this program")
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = redisPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); host == "" || err != nil || n == 0 {
		return a, errors.New("the URL of Redis names no host, or no port from 1 to 65535")
	}
	a.TLS, a.Host, a.Username = u.Scheme == "rediss", net.JoinHostPort(host, port), u.User.Username()
	a.password, a.HasPassword = u.User.Password()
	if path := strings.TrimPrefix(u.Path, "/"); path != "" {
		if a.Database, err = strconv.Atoi(path); err != nil || a.Database < 0 || a.Database > maxRedisDatabase {
			return a, errors.New("the URL of Redis names a database that is not a number, such as 0")
		}
	}
	return a, nil
}

// loopback is for names and addresses of this machine, which no wire leads to.
func (a RedisAddress) loopback() bool {
	host, _, err := net.SplitHostPort(a.Host)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Check refuses what could not work or would not be safe. It connects to nothing.
func (o *RedisOptions) Check() (RedisAddress, error) {
	a, err := ParseRedis(o.URL)
	switch {
	case err != nil:
		return a, err
	case a.HasPassword && o.PasswordFile != "":
		return a, errors.New("the password of Redis is given twice, in its URL and in a file")
	case a.Username != "" && !a.HasPassword && o.PasswordFile == "":
		return a, errors.New("the URL of Redis names a user without a password; put it into a file and name that with password_file")
	case !a.TLS && o.CAFile != "":
		return a, errors.New("a CA file is for rediss:// URLs only")
	case !a.TLS && !a.loopback() && !o.Plaintext:
		return a, fmt.Errorf("redis://%s is another machine, to which only rediss:// is safe; \"plaintext\" allows it on a network that you trust", a.Host)
	case o.Timeout < 0 || o.DialTimeout < 0 || max(o.Timeout, o.DialTimeout) > maxRedisTimeout:
		return a, fmt.Errorf("the timeouts of Redis must not be negative, nor over %s", maxRedisTimeout)
	case strings.ContainsFunc(o.Prefix, func(c rune) bool { return c <= ' ' || c > '~' }) || len(o.Prefix) > 64:
		return a, errors.New("the prefix for Redis is at most 64 printable ASCII characters without spaces")
	}
	return a, nil
}

// client makes no connection.
func (o *RedisOptions) client(a RedisAddress, examine func(context.Context, *redis.Conn) error) (*redis.Client, error) {
	if _, err := o.credentials(a); err != nil {
		return nil, err
	}
	encryption, err := o.encryption(a)
	if err != nil {
		return nil, err
	}
	return redis.NewClient(&redis.Options{
		Addr: a.Host, DB: a.Database, TLSConfig: encryption,
		CredentialsProviderContext: func(context.Context) (string, string, error) {
			password, err := o.credentials(a)
			return a.Username, password, err
		},
		OnConnect: examine,
		// A SET NX whose answer was lost finds its own key when it is repeated, and would call the
		// first use of a nonce a replay.
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: o.DialTimeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, PoolTimeout: o.Timeout,
		ContextTimeoutEnabled: true,
		// Nothing is asked of the server that its ACL would have to allow beside the commands used.
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}), nil
}

func (o *RedisOptions) credentials(a RedisAddress) (password string, err error) {
	if o.PasswordFile == "" {
		return a.password, nil
	}
	text, err := os.ReadFile(o.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read the password of Redis: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

func (o *RedisOptions) encryption(a RedisAddress) (*tls.Config, error) {
	if !a.TLS {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(a.Host)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if o.CAFile == "" {
		return config, nil
	}
	text, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the CA of Redis: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("there is no certificate in %s", o.CAFile)
	}
	return config, nil
}
