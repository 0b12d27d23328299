package caddymodule

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
)

// What the access log and the metrics say beside the codes of refusals.
const (
	codeOK        = "OK"
	codeBrokenOff = "BODY_BROKEN_OFF" // by the client; there is nobody to answer
)

// decision is what became of one request. The access log and placeholders read it
// after the handler has returned, so it is not recycled.
type decision struct {
	begun     time.Time
	requestID string
	code      string
	facts     gate.Facts
	// What headers hold lies here, not in slices of their own.
	answered [1]string
	identity gate.Identity
}

// begin gives the request its id and lets log and placeholders find the decision:
// one field and one provider, which cost nothing until somebody reads them.
func begin(w http.ResponseWriter, r *http.Request, now time.Time) *decision {
	d := &decision{begun: now, requestID: newRequestID(now)}
	d.answered[0] = d.requestID
	w.Header()[gate.HeaderRequestID] = d.answered[:]
	ctx := r.Context()
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok && logsAccess(ctx) {
		extra.Add(zap.Inline(d))
	}
	if replacer, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		replacer.Map(d.placeholder)
	}
	return d
}

// logsAccess: a field costs four allocations, also when there is no log for it.
func logsAccess(ctx context.Context) bool {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return ok && server != nil && server.Logs != nil
}

// newRequestID is ordered by time. Nobody has to be unable to guess it.
func newRequestID(now time.Time) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], uint64(now.UnixMilli())<<16|rand.Uint64()&0xffff)
	binary.BigEndian.PutUint64(raw[8:], rand.Uint64())
	return controlplane.FormatID(controlplane.PrefixRequest, raw)
}

// accepted reports whether the facts are proven.
func (d *decision) accepted() bool { return d.code == codeOK }

// MarshalLogObject adds the fields of the access log.
func (d *decision) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("request_id", d.requestID)
	e.AddString("auth_code", d.code)
	if d.facts.KeyID != "" {
		e.AddString("merchant_id", d.facts.MerchantID())
		e.AddString("api_key_id", d.facts.KeyID)
		e.AddString("environment", string(d.facts.Environment))
	}
	e.AddInt64("snapshot_revision", d.facts.Revision)
	return nil
}

// placeholder knows {unk.*}. What is not proven is empty: routes must not be
// chosen by it.
func (d *decision) placeholder(key string) (any, bool) {
	name, ours := strings.CutPrefix(key, "unk.")
	if !ours {
		return nil, false
	}
	if name == "request_id" {
		return d.requestID, true
	}
	facts := d.facts
	if !d.accepted() {
		facts = gate.Facts{}
	}
	switch name {
	case "merchant_id":
		return facts.MerchantID(), true
	case "key_id":
		return facts.KeyID, true
	case "environment":
		return string(facts.Environment), true
	case "client_ip":
		if !facts.ClientIP.IsValid() {
			return "", true
		}
		return facts.ClientIP.String(), true
	}
	return nil, false
}

// identify takes from the request what only the gateway may say, and says it. Of
// a request that is let through unproven it says nothing.
func (d *decision) identify(r *http.Request, proven bool) {
	gate.DeleteProtected(r.Header)
	// Trailers are not signed, and net/http fills the declared ones in while the
	// body is read, after everybody has looked.
	r.Trailer = nil
	delete(r.Header, "Trailer")
	if proven {
		d.facts.SetIdentity(r.Header, d.requestID, &d.identity)
	}
}
