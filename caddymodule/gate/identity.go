package gate

import (
	"net/http"
	"net/netip"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// The headers by which the upstream knows whose request it is.
const (
	HeaderMerchantID  = "X-Unk-Merchant-Id"
	HeaderEnvironment = "X-Unk-Environment"
	HeaderKeyID       = "X-Unk-Key-Id"
	HeaderClientIP    = "X-Unk-Client-Ip"
	HeaderRequestID   = "X-Unk-Request-Id"
)

// Facts is what is proven of a request that may pass, and what is known of one
// that may not. Its strings live as long as the request.
type Facts struct {
	// Merchant is the id of the merchant in 16 bytes; all zero when unknown.
	Merchant [16]byte
	// KeyID is empty when the key is not in the snapshot.
	KeyID       string
	Environment controlplane.Environment
	// ClientIP has neither a zone nor an IPv4-mapped form.
	ClientIP netip.Addr
	// AllowlistRow is the Row of the entry that let the address in, 0 for none.
	AllowlistRow int64
	// SignedAt is when the request says it was signed, in Unix seconds; 0 when it
	// does not say.
	SignedAt int64
	// Revision is that of the snapshot that decided.
	Revision int64
}

// MerchantID is the id as text ("mer_…"), empty when unknown. It allocates.
func (f *Facts) MerchantID() string {
	if f.Merchant == ([16]byte{}) {
		return ""
	}
	return controlplane.FormatID(controlplane.PrefixMerchant, f.Merchant)
}

// Identity holds the values of the identity headers, in the caller's memory: a
// slice for each would be an allocation.
type Identity [5]string

// SetIdentity puts the identity headers into h, from which [DeleteProtected] has
// removed whatever the client sent by these names. Their values lie in values, which
// is to live as long as h.
func (f *Facts) SetIdentity(h http.Header, requestID string, values *Identity) {
	*values = Identity{f.MerchantID(), string(f.Environment), f.KeyID, f.ClientIP.String(), requestID}
	for i, name := range [...]string{HeaderMerchantID, HeaderEnvironment, HeaderKeyID, HeaderClientIP, HeaderRequestID} {
		h[name] = values[i : i+1 : i+1]
	}
}

// DeleteProtected removes from h every header that a client must not be able to
// send to the upstream, in every spelling that some server reads as the same
// name: any case, with '_' or '.' for '-'. That is all of X-Unk-*, and the
// signatures. An offer to change the protocol goes too: what the upstream made of
// it would not be signed. It is for the headers before, and the trailers after the
// body.
func DeleteProtected(h http.Header) {
	delete(h, "Upgrade")
	delete(h, "Http2-Settings")
	for name := range h {
		if protected(name) {
			delete(h, name)
		}
	}
}

// protected compares by the loosest reading of a name: CGI and WSGI servers turn
// X_Unk_Key_Id and X-Unk-Key-Id into the same variable, and some the dot too.
func protected(name string) bool {
	return foldedPrefix(name, "x-unk-") || foldedEqual(name, "signature") || foldedEqual(name, "signature-input")
}

func foldedEqual(name, want string) bool {
	return len(name) == len(want) && foldedPrefix(name, want)
}

func foldedPrefix(name, want string) bool {
	if len(name) < len(want) {
		return false
	}
	for i := range len(want) {
		if folded(name[i]) != want[i] {
			return false
		}
	}
	return true
}

func folded(c byte) byte {
	switch {
	case c == '_' || c == '.':
		return '-'
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	}
	return c
}
