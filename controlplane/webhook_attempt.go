package controlplane

import (
	"net/netip"
	"time"
)

// Fault says why an attempt was no success. The set is closed: it is stored, and
// the portal has a sentence for each.
type Fault string

const (
	// FaultNone: the answer was 2xx.
	FaultNone Fault = ""
	// FaultStatus: the answer had another status, a redirect among them, which is
	// never followed.
	FaultStatus Fault = "status"
	// FaultURL: the URL is one that this server does not send to (any more).
	FaultURL Fault = "url"
	// FaultBlocked: the name resolved to an address that is never dialled.
	FaultBlocked Fault = "blocked_address"
	FaultDNS     Fault = "dns"
	FaultConnect Fault = "connect"
	FaultTLS     Fault = "tls"
	// FaultTimeout: the whole attempt, answer included, took longer than 15 s.
	FaultTimeout Fault = "timeout"
	// FaultProtocol: the answer was not HTTP, or broke off.
	FaultProtocol Fault = "protocol"
	// FaultInternal: a fault of ours; it counts against nobody.
	FaultInternal Fault = "internal"
)

// MaxKeptBody is how many bytes of an answer's body are kept.
const MaxKeptBody = 8 << 10

// Header is one field of a request or an answer, as it may be shown.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Phases says how long the parts of an attempt took. A connection that was used
// again has neither DNS nor connect nor TLS.
type Phases struct {
	DNS     time.Duration `json:"dns"`
	Connect time.Duration `json:"connect"`
	TLS     time.Duration `json:"tls"`
	// FirstByte is from the end of the request to the first byte of the answer.
	FirstByte time.Duration `json:"first_byte"`
	// Total is the whole attempt.
	Total time.Duration `json:"total"`
}

// Attempt is one try of a delivery.
type Attempt struct {
	// Number counts from 1 within the delivery.
	Number int       `json:"number"`
	At     time.Time `json:"at"`
	Fault  Fault     `json:"fault,omitempty"`
	// Detail is the fault in words, without anything that a merchant must not see.
	Detail string `json:"detail,omitempty"`
	// Status is that of the answer; 0 if there was none.
	Status int `json:"status,omitempty"`
	// Address is what was dialled; the zero value if nothing was.
	Address        netip.AddrPort `json:"address,omitzero"`
	Phases         Phases         `json:"phases"`
	RequestHeader  []Header       `json:"request_header,omitempty"`
	ResponseHeader []Header       `json:"response_header,omitempty"`
	// ResponseBody is the beginning of the answer's body, at most [MaxKeptBody];
	// it is deleted after 7 days, earlier than the attempt.
	ResponseBody []byte `json:"response_body,omitempty"`
	// BodyCut: the body was longer than what is kept.
	BodyCut bool `json:"body_cut,omitempty"`
}

// Succeeded reports whether the attempt delivered: an answer of 2xx, nothing
// else.
func (a Attempt) Succeeded() bool { return a.Fault == FaultNone && a.Status >= 200 && a.Status < 300 }
