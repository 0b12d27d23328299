package gate

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// Request is what has to be known of a request before its body, all of it as it
// was received: rewriting handlers may have changed http.Request since.
type Request struct {
	Method string
	// Target is the request target as sent: the original RequestURI.
	Target string
	// Host is Host (HTTP/1.1) or :authority (HTTP/2, HTTP/3) as sent.
	Host string
	// TLS: the connection is encrypted. It says which port is the default one.
	TLS bool
	// Header is http.Request.Header, with canonical names. A Host in it is one
	// that was sent beside :authority: Go's HTTP/2 server keeps it there, and
	// HTTP/1.1 never has it.
	Header http.Header
	// Trailer is http.Request.Trailer before the body is read: declared names.
	Trailer http.Header
	// ClientIP is the address that the request came from. An invalid one is
	// refused.
	ClientIP netip.Addr
	// EarlyData: the request came before the handshake was complete (0-RTT).
	EarlyData bool
}

func (r *Request) scheme() string {
	if r.TLS {
		return "https"
	}
	return "http"
}

// shape is everything that the headers and the request line alone can be refused
// for.
func (r *Request) shape(a *Admission) *Refusal {
	f := &a.facts
	if r.EarlyData {
		return refuse(TooEarly, f, "The request came as early data. Send it again after the handshake.")
	}
	var err error
	if a.credentials, err = signature.Parse(r.Header); err != nil {
		return r.malformed(err, f)
	}
	f.SignedAt = a.credentials.Created
	if a.credentials.Scheme == signature.RFC9421 {
		a.rawInput = r.Header["Signature-Input"][0] // Parse demands it once
	}
	if header := r.nominated(); header != "" {
		return ambiguous(f, header, "nominated",
			header+" names a header that the gateway depends on, so that a proxy would remove it. Send "+header+" without that name.")
	}
	if r.upgrades() {
		return ambiguous(f, "Upgrade", "not_signed",
			"The request asks to switch to a protocol whose bytes would not be signed. Send it without Upgrade.")
	}
	return r.line(a)
}

// upgrades reports whether the request asks for another protocol. An offer of
// HTTP/2 without TLS does not count: Java's client makes one with every request,
// and [DeleteProtected] takes it away, as RFC 9110 §7.8 lets a server do.
func (r *Request) upgrades() bool {
	for _, offer := range r.Header["Upgrade"] {
		if !strings.EqualFold(offer, "h2c") {
			return true
		}
	}
	return false
}

// line checks the request line and the host, the parts that HTTP lets people
// write in several ways.
func (r *Request) line(a *Admission) *Refusal {
	f := &a.facts
	if r.Method == http.MethodConnect {
		return ambiguous(f, "", "method", "The gateway is not a tunnel: CONNECT is not accepted.")
	}
	for _, host := range r.Header["Host"] {
		if host != r.Host {
			return ambiguous(f, "Host", "conflict", "Host differs from :authority. Send only one of them.")
		}
	}
	a.request.Method, a.request.Scheme = r.Method, r.scheme()
	var err error
	if a.request.Host, err = signature.Host(r.Host, a.request.Scheme); err != nil {
		return ambiguous(f, "Host", "syntax", sentence(err))
	}
	if a.request.Target, err = signature.Target(r.Target); err != nil {
		return ambiguous(f, "", "target", sentence(err))
	}
	return nil
}

func ambiguous(f *Facts, header, reason, message string) *Refusal {
	r := refuse(AuthMalformed, f, message)
	if header != "" {
		r.Details = append(r.Details, Detail{"header", header})
	}
	r.Details = append(r.Details, Detail{"reason", reason})
	return r
}

// sentence makes an error of the signature package readable on its own.
func sentence(err error) string {
	text := strings.TrimPrefix(err.Error(), "signature: ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// malformed adds to a syntax error which well-known mistake it looks like.
func (r *Request) malformed(err error, f *Facts) *Refusal {
	refusal := fromSignature(err, f)
	var e *signature.Error
	if errors.As(err, &e) && len(r.Header[e.Header]) == 1 {
		if id := syntaxHint(e.Header, r.Header[e.Header][0]); id != "" {
			refusal.setHint(hint{id: id}) // the message says the rest
		}
	}
	return refusal
}

// nominated returns the name of the header, Connection or Trailer, by which the
// request names a protected one. reverse_proxy removes what Connection names after
// the gate, and sends trailers on.
func (r *Request) nominated() string {
	for _, line := range r.Header["Connection"] {
		for line != "" {
			var name string
			name, line, _ = strings.Cut(line, ",")
			if name = strings.TrimSpace(name); protected(name) || essential(name) {
				return "Connection"
			}
		}
	}
	for name := range r.Trailer {
		if protected(name) {
			return "Trailer"
		}
	}
	return ""
}

// essential headers are what RFC 9421 signatures cover at the profile's demand: a
// payment whose Idempotency-Key a proxy removes may be made twice.
func essential(name string) bool {
	return foldedEqual(name, "idempotency-key") || foldedEqual(name, "content-digest")
}
