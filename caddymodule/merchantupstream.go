package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/unknownpay/merchant-gateway/caddymodule/roundtrip"
)

// The defaults of merchant_upstream. Those that Caddy's transport has too are its.
const (
	defaultUpstreamDial      = caddy.Duration(3 * time.Second)
	defaultUpstreamMaxHeader = 1 << 20
	defaultUpstreamIdle      = caddy.Duration(2 * time.Minute)
	defaultUpstreamIdleConns = 256
)

// MerchantUpstream is a transport of reverse_proxy that costs less of the processor
// than Caddy's own: it writes a request and reads its answer without handing them to
// other goroutines. It speaks plain HTTP/1.1 to the upstream and nothing else: no TLS,
// no HTTP/2, no protocols that a connection is switched to (such as WebSocket), no
// proxies of the environment, no compression of its own.
//
// A request that fails on a connection that had waited is sent again on a new one if
// the upstream hung up without a word and the request is not written at all, is GET,
// HEAD, OPTIONS or TRACE, or has an Idempotency-Key. Nothing else is sent twice.
type MerchantUpstream struct {
	// How long to wait for a connection.
	//
	// Default: 3s.
	DialTimeout caddy.Duration `json:"dial_timeout,omitempty"`

	// How long to wait for the head of the answer after the request was written; for
	// a body of more than 32 KiB, or of unknown length, from when it is begun.
	//
	// Default: no limit.
	ResponseHeaderTimeout caddy.Duration `json:"response_header_timeout,omitempty"`

	// How long each read from the upstream may take, and each write to it.
	//
	// Default: no limit.
	ReadTimeout  caddy.Duration `json:"read_timeout,omitempty"`
	WriteTimeout caddy.Duration `json:"write_timeout,omitempty"`

	// The longest head of an answer in bytes. A longer one is a 502.
	//
	// Default: 1048576 (1 MiB).
	MaxResponseHeader int64 `json:"max_response_header,omitempty"`

	// How long a connection waits for another request. Shorter than what the upstream
	// allows, or requests meet connections that it is just closing.
	//
	// Default: 2m.
	KeepAlive caddy.Duration `json:"keepalive,omitempty"`

	// How many connections to one upstream wait. More cost files, fewer cost new
	// connections when many requests come at once.
	//
	// Default: 256.
	KeepAliveConns int64 `json:"keepalive_idle_conns_per_host,omitempty"`

	transport *roundtrip.Transport
}

// CaddyModule returns the Caddy module information.
func (*MerchantUpstream) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.merchant_upstream", New: func() caddy.Module { return new(MerchantUpstream) }}
}

// Provision makes the transport; it connects to nothing.
func (m *MerchantUpstream) Provision(caddy.Context) error {
	if m.DialTimeout < 0 || m.ResponseHeaderTimeout < 0 || m.ReadTimeout < 0 || m.WriteTimeout < 0 || m.KeepAlive < 0 || m.KeepAliveConns < 0 || m.MaxResponseHeader < 0 {
		return errors.New("merchant_upstream: durations and sizes must not be negative")
	}
	dialer := &net.Dialer{Timeout: time.Duration(cmp.Or(m.DialTimeout, defaultUpstreamDial))}
	m.transport = roundtrip.New(roundtrip.Config{
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				// reverse_proxy may try another upstream after this one.
				return nil, reverseproxy.NewDialError(err)
			}
			return c, nil
		},
		Address:       upstreamAddress,
		HeaderTimeout: time.Duration(m.ResponseHeaderTimeout),
		ReadTimeout:   time.Duration(m.ReadTimeout),
		WriteTimeout:  time.Duration(m.WriteTimeout),
		MaxHeader:     cmp.Or(m.MaxResponseHeader, defaultUpstreamMaxHeader),
		MaxIdle:       int(cmp.Or(m.KeepAliveConns, defaultUpstreamIdleConns)),
		IdleTimeout:   time.Duration(cmp.Or(m.KeepAlive, defaultUpstreamIdle)),
		Clock:         time.Now,
	})
	return nil
}

func upstreamAddress(r *http.Request) (network, address string) {
	if to, ok := reverseproxy.GetDialInfo(r.Context()); ok {
		return to.Network, to.Address
	}
	return "tcp", r.URL.Host
}

// Cleanup closes the connections, those in use after their answer.
func (m *MerchantUpstream) Cleanup() error {
	if m.transport != nil {
		m.transport.Close()
	}
	return nil
}

// RoundTrip sends a request that reverse_proxy has prepared.
func (m *MerchantUpstream) RoundTrip(r *http.Request) (*http.Response, error) {
	return m.transport.RoundTrip(r)
}

// TLSEnabled says no. With EnableTLS it makes Caddy refuse https:// upstreams with a
// reason, instead of sending what is meant to be secret in the clear.
func (*MerchantUpstream) TLSEnabled() bool { return false }

// EnableTLS refuses.
func (*MerchantUpstream) EnableTLS(*reverseproxy.TLSConfig) error {
	return errors.New("merchant_upstream speaks plain HTTP/1.1 only: use transport http for https:// upstreams")
}

// EnableH2C refuses.
func (*MerchantUpstream) EnableH2C() error {
	return errors.New("merchant_upstream speaks plain HTTP/1.1 only: use transport http for h2c:// upstreams")
}

var (
	_ caddy.Provisioner         = (*MerchantUpstream)(nil)
	_ caddy.CleanerUpper        = (*MerchantUpstream)(nil)
	_ http.RoundTripper         = (*MerchantUpstream)(nil)
	_ reverseproxy.TLSTransport = (*MerchantUpstream)(nil)
	_ reverseproxy.H2CTransport = (*MerchantUpstream)(nil)
)
