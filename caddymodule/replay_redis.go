package caddymodule

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/caddymodule/replay"
)

// RedisReplay remembers used nonces in a Redis that several gateways share. While it
// is away, requests are refused with 503 AUTH_UNAVAILABLE. After a restart, a failover
// or a flush of it, requests signed before are refused.
type RedisReplay struct {
	// Where the Redis is: rediss://host:6379/0 by TLS, or redis:// on this machine. It
	// must not evict keys (maxmemory-policy noeviction). May have placeholders such as
	// {env.REDIS_URL}.
	//
	// A password has to be a placeholder, as in rediss://gateway:{env.REDIS_PASSWORD}@host,
	// or in a file of its own: Caddy stores its configuration, and shows it at its
	// admin endpoint.
	URL string `json:"url"`

	// The path of a file with nothing but the password. It is read for each new
	// connection, so that the password can be changed without a restart.
	//
	// Default: the password of the URL.
	PasswordFile string `json:"password_file,omitempty"`

	// A PEM file with the authorities that the Redis may be certified by.
	//
	// Default: those of the system.
	CAFile string `json:"ca_file,omitempty"`

	// Allows redis:// to another machine, on a network that you trust: whoever can
	// change what is said there can let requests pass twice.
	//
	// Default: false.
	Plaintext bool `json:"plaintext,omitempty"`

	// What every key begins with. Gateways of one platform have the same.
	//
	// Default: unk:nonce:
	Prefix string `json:"prefix,omitempty"`

	// How long a request waits for an answer of the Redis, and how long a new
	// connection may take.
	//
	// Default: 250ms and 1s.
	Timeout     caddy.Duration `json:"timeout,omitempty"`
	DialTimeout caddy.Duration `json:"dial_timeout,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*RedisReplay) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "merchants.replay.redis",
		New: func() caddy.Module { return new(RedisReplay) },
	}
}

func (r *RedisReplay) options() (replay.RedisOptions, error) {
	url, err := secretURL{of: "Redis", example: "rediss://user@redis.example.com:6379/0", given: r.URL, passwordFile: r.PasswordFile}.filled()
	return replay.RedisOptions{
		URL: url, PasswordFile: r.PasswordFile, CAFile: r.CAFile, Plaintext: r.Plaintext, Prefix: r.Prefix,
		Timeout: time.Duration(r.Timeout), DialTimeout: time.Duration(r.DialTimeout),
	}, err
}

// identity is that of the connections: the nonces are in Redis, where two stores
// with other settings find the same ones.
func (r *RedisReplay) identity(string) (string, error) {
	o, err := r.options()
	if err != nil {
		return "", fmt.Errorf("replay redis: %w", err)
	}
	address, err := o.Check()
	if err != nil {
		return "", fmt.Errorf("replay redis: %w", err)
	}
	settings := sha256.Sum256(fmt.Appendf(nil, "%s %+v", o.URL, *r))
	return fmt.Sprintf("redis %s %x", address, settings[:8]), nil
}

// open succeeds while the Redis is away: a gateway that restarts must not need it
// sooner than the requests do.
func (r *RedisReplay) open(ctx context.Context) (nonces, error) {
	o, err := r.options()
	if err != nil {
		return nil, err
	}
	store, err := replay.OpenRedis(ctx, o)
	if err != nil {
		return nil, err
	}
	if address, _, trouble := store.Server(); trouble != nil {
		caddy.Log().Warn("the replay store does not answer; requests are refused until it does", zap.Stringer("redis", address), zap.Error(trouble))
	}
	return store, nil
}

// apply has nothing to do: other settings are another store.
func (r *RedisReplay) apply(nonces) error { return nil }

var (
	_ replayGuest = (*RedisReplay)(nil)
	_ nonces      = (*replay.Redis)(nil)
)
