package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// AttemptDeadline is for a whole attempt, from the look-up of the name to the last
// byte of the answer that is read.
const AttemptDeadline = 15 * time.Second

const (
	// maxAnswerBody is how much of an answer is read. What is longer costs its
	// receiver the connection, because the rest would have to be read to use it
	// again.
	maxAnswerBody = 64 << 10
	// maxAnswerHeader is for all headers of an answer, those of 1xx answers before
	// it included.
	maxAnswerHeader = 32 << 10
	// Kept connections, for one host and in total: an endpoint has at most 8
	// attempts at a time, and an idle TLS connection costs some 40 KB.
	maxIdlePerHost = 16
	maxIdle        = 1024
	// idleTimeout is below the 5 s after which Node.js and Apache close idle
	// connections, so that an attempt seldom meets one that is just being closed.
	idleTimeout = 4 * time.Second
)

// errDeadline tells the deadline of an attempt from that of the caller.
var errDeadline = errors.New("the deadline of the attempt has passed")

// SenderConfig is what an [HTTPSender] is made from.
type SenderConfig struct {
	// Guard is required.
	Guard *Guard
	// UserAgent is sent with every attempt; required, because receivers' firewalls
	// ask who is calling.
	UserAgent string
	// Deadline is that of an attempt; 0 means [AttemptDeadline]. Looking up and
	// connecting together, and then the TLS handshake, get a third of it each.
	Deadline time.Duration
	// Roots are the authorities that sign receivers' certificates; nil means the
	// system's.
	Roots *x509.CertPool
	// Resolver looks names up; nil means Go's own, because a look-up through the C
	// library holds a thread that no deadline frees.
	Resolver *net.Resolver
	// Clock is time.Now if nil. It is read for durations only.
	Clock func() time.Time
}

// HTTPSender makes attempts over HTTPS to destinations that merchants have chosen,
// and takes everything about them and their answers for hostile.
//
// It speaks HTTP/1.1 only. HTTP/2 would let one reset lose all attempts under way
// to a host, buffers up to 4 MiB of an answer that nobody reads, and has had a
// flood for each kind of its frames; what it saves are connections, and an
// endpoint has no more than eight.
type HTTPSender struct {
	guard     *Guard
	userAgent string
	deadline  time.Duration
	clock     func() time.Time
	transport *http.Transport
}

var _ Sender = (*HTTPSender)(nil)

// NewHTTPSender returns a sender with connections of its own. Close lets go of
// them.
func NewHTTPSender(c SenderConfig) (*HTTPSender, error) {
	if c.Guard == nil || c.UserAgent == "" {
		return nil, errors.New("a sender needs a guard and a user agent")
	}
	if c.Deadline == 0 {
		c.Deadline = AttemptDeadline
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Resolver == nil {
		c.Resolver = &net.Resolver{PreferGo: true}
	}
	return &HTTPSender{
		guard: c.Guard, userAgent: c.UserAgent, deadline: c.Deadline, clock: c.Clock,
		transport: newTransport(c),
	}, nil
}

func newTransport(c SenderConfig) *http.Transport {
	dialer := &net.Dialer{Timeout: c.Deadline / 3, Resolver: c.Resolver, ControlContext: c.Guard.control}
	t := &http.Transport{
		Proxy: nil, // a proxy of the environment would dial for us, unchecked
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, rooted(address))
		},
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			RootCAs:    c.Roots,
			NextProtos: []string{"http/1.1"}, // an HTTP/2 server then says so in the handshake
		},
		TLSHandshakeTimeout:    c.Deadline / 3,
		DisableCompression:     true, // what is not asked for and not unpacked is no bomb
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHeader,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return t
}

// rooted ends a name with a dot, so that the resolver does not try it within the
// operator's search domains first: a merchant's "shop.example" is not to become
// "shop.example.cluster.local".
func rooted(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return address
	}
	return net.JoinHostPort(host+".", port)
}

// Close closes the connections that are kept. Attempts under way end by
// themselves.
func (s *HTTPSender) Close() { s.transport.CloseIdleConnections() }

// Send makes one attempt; see [Sender].
func (s *HTTPSender) Send(ctx context.Context, r Request) Result {
	start := s.clock()
	res := s.send(ctx, r)
	res.Phases.Total = s.clock().Sub(start)
	return res
}

func (s *HTTPSender) send(ctx context.Context, r Request) (res Result) {
	u, err := s.guard.destination(r.URL)
	if err != nil {
		return Result{Fault: controlplane.FaultURL, Detail: urlProblem(err)}
	}
	signature, err := Sign(r.Secrets, r.EventID, r.At, r.Body)
	if err != nil {
		return Result{Fault: controlplane.FaultInternal, Detail: "the request could not be signed"}
	}
	limited, cancel := context.WithTimeoutCause(ctx, s.deadline, errDeadline)
	defer cancel()
	t := &trace{clock: s.clock, doing: "waiting for a connection"}
	req := s.request(u, r, signature).WithContext(httptrace.WithClientTrace(limited, t.hooks()))
	answer, err := s.transport.RoundTrip(req)
	if err == nil {
		t.reading()
		err = res.read(answer)
	}
	noted := t.seen()
	if noted.connected {
		res.RequestHeader = s.shownRequest(u, r, signature)
	}
	res.Phases, res.Address = noted.phases, noted.address
	res.judge(limited, err, noted, u.Hostname())
	return res
}
