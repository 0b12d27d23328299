package caddymodule

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// newEntry is a row with what is known of any request. f are the facts, claimed
// ones included.
func newEntry(d *decision, r *http.Request, f *gate.Facts, outcome controlplane.RequestOutcome) *controlplane.LoggedRequest {
	received := facts(r)
	q := &controlplane.LoggedRequest{
		ID: d.requestID, At: d.begun, MerchantID: f.MerchantID(), Environment: f.Environment, KeyID: strings.Clone(f.KeyID),
		ClientIP: received.ClientIP.Unmap().WithZone(""), Method: plainText(shortened(received.Method, 32)),
		Path: plainText(shortened(pathOf(received.Target), 256)), Outcome: outcome, Code: codeOK,
	}
	q.Why.EntryRow = f.AllowlistRow
	if f.SignedAt != 0 {
		q.Why.Signed, q.Why.Difference = true, f.SignedAt-d.begun.Unix()
	}
	return q
}

// plainText is what every database takes for text.
func plainText(s string) string {
	const replacement = "\uFFFD"
	return strings.ReplaceAll(strings.ToValidUTF8(s, replacement), "\x00", replacement)
}

// explain adds what the gate found out.
func explain(q *controlplane.LoggedRequest, refusal *gate.Refusal) {
	q.Code, q.Why.Cause = string(refusal.Code), cmp.Or(refusal.Hint, refusal.Because)
	w := &q.Why
	for _, d := range refusal.Details {
		switch v := d.Value.(type) {
		case string:
			explainText(q, d.Name, plainText(v))
		case int64:
			explainNumber(w, d.Name, v)
		case []string:
			if d.Name == "missing" {
				w.Missing = v
			}
		}
	}
}

func explainText(q *controlplane.LoggedRequest, name, value string) {
	w := &q.Why
	switch name {
	case "header":
		w.Header = value
	case "reason":
		w.Reason = value
	case "route_environment":
		w.RouteEnvironment = controlplane.Environment(value)
	case "body_sha256":
		w.BodySHA256 = value
	case "string_to_sign_sha256":
		w.StringSHA256 = value
	case "string_to_sign":
		if q.Environment == controlplane.Test {
			w.StringCut = len(value) > controlplane.MaxLoggedString
			q.StringToSign = plainText(value[:min(len(value), controlplane.MaxLoggedString)])
		}
	}
}

func explainNumber(w *controlplane.RequestWhy, name string, value int64) {
	switch name {
	case "difference_seconds":
		w.Difference = value
	case "max_seconds":
		w.MaxSeconds = value
	case "max_bytes":
		w.MaxBytes = value
	case "body_bytes":
		w.BodyBytes = value
	}
}

// claim finds whose key a malformed request names, so that the merchant who looks
// for it finds it. That is for the log only: nothing of it is proven, and whoever
// knows a key id can do it.
func claim(f *gate.Facts, h http.Header, snapshot *controlplane.Snapshot) {
	if f.KeyID != "" || snapshot == nil {
		return
	}
	id := claimedKey(h)
	if key, ok := snapshot.Key(id); ok {
		f.KeyID, f.Environment, f.Merchant = id, key.Environment(), key.Merchant().Raw()
	}
}

// claimedKey is the key id in the headers of either scheme; empty if there is none.
func claimedKey(h http.Header) string {
	for _, id := range h[signature.HeaderKey] {
		return strings.TrimSpace(id)
	}
	for _, input := range h["Signature-Input"] {
		_, rest, _ := strings.Cut(input, `keyid="`)
		id, _, _ := strings.Cut(rest, `"`)
		return id
	}
	return ""
}
