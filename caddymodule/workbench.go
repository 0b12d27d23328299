package caddymodule

import (
	"net/http"
	"time"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
)

// diagnose checks a signature that somebody shows by the snapshot that requests are
// decided by at this moment.
func (n *node) diagnose(in controlplane.CheckSignature, now time.Time) (controlplane.SignatureVerdict, error) {
	if n.follower == nil || n.follower.Current() == nil {
		return controlplane.SignatureVerdict{}, controlplane.Errorf(controlplane.CodeUnavailable, "the gateway has no keys at the moment; try again")
	}
	return verdict(gate.Diagnose(n.follower.Current(), asCase(in), now), now), nil
}

// asCase gives headers the names that net/http gives those of a request.
func asCase(in controlplane.CheckSignature) *gate.Case {
	c := &gate.Case{
		Request:    gate.Request{Method: in.Method, Target: in.Target, Host: in.Host, TLS: in.Scheme == "https", Header: http.Header{}},
		Body:       in.Body,
		MerchantID: in.MerchantID, Environment: in.Environment,
	}
	for _, h := range in.Headers {
		c.Header.Add(h.Name, h.Value)
	}
	return c
}

// verdict leaves the refusal's message out: the portal has texts of its own, in the
// reader's language.
func verdict(d gate.Diagnosis, now time.Time) controlplane.SignatureVerdict {
	q := controlplane.LoggedRequest{Environment: d.Facts.Environment}
	if d.Refusal != nil {
		explain(&q, d.Refusal)
	}
	out := controlplane.SignatureVerdict{Code: q.Code, Why: q.Why, Scheme: d.Scheme, KeyID: d.Facts.KeyID, Expired: d.Expired}
	shown := d.StringToSign[:min(len(d.StringToSign), controlplane.MaxLoggedString)]
	out.StringToSign, out.Why.StringCut = plainText(string(shown)), len(shown) < len(d.StringToSign)
	if at := d.Facts.SignedAt; at != 0 {
		out.SignedAt = time.Unix(at, 0).UTC()
		out.Why.Signed, out.Why.Difference, out.Why.MaxSeconds = true, at-now.Unix(), int64(gate.DefaultSkew/time.Second)
	}
	return out
}
