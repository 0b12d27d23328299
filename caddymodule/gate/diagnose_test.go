package gate

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func (w *world) diagnose(c *call, merchant byte, env controlplane.Environment) Diagnosis {
	return Diagnose(w.snapshot, &Case{Request: c.Request, Body: c.body, MerchantID: merchantID(merchant), Environment: env}, w.now)
}

// Whatever a gate says of a signature, its diagnosis says, for every mistake, scheme
// and environment.
func TestDiagnosisIsWhatTheGateAnswers(t *testing.T) {
	for _, key := range []string{testKey, liveKey} {
		env := controlplane.Environment(key[4:8])
		compare := func(name string, send func(w *world) *call) {
			t.Helper()
			w := newWorld(t) // hints are rationed
			c := send(w)
			_, refusal := w.pass(c)
			d := w.diagnose(c, 1, env)
			if refusal == nil || d.Refusal == nil {
				if refusal != nil || d.Refusal != nil {
					t.Errorf("%s, %s: the gate says %+v, the diagnosis %+v", name, env, refusal, d.Refusal)
				}
				return
			}
			if d.Refusal.Code != refusal.Code || d.Refusal.Hint != refusal.Hint || !reflect.DeepEqual(d.Refusal.Details, refusal.Details) {
				t.Errorf("%s, %s: the gate says %s %v, the diagnosis %s %v", name, env, refusal.Code, refusal.Details, d.Refusal.Code, d.Refusal.Details)
			}
			if env == controlplane.Live && refusal.Code == SignatureMismatch && d.Refusal.Hint != "" {
				t.Errorf("%s: a hint for a live key", name)
			}
		}
		for _, m := range mistakes() {
			compare(m.name, func(w *world) *call { return m.send(t, w, key) })
		}
		for _, m := range standardMistakes() {
			compare(m.name, func(w *world) *call { return m.send(w, key) })
		}
		compare("nothing sent", func(w *world) *call { return w.signed(key, func(c *call) { c.Header = http.Header{} }) })
		compare("CONNECT", func(w *world) *call { return w.signed(key, func(c *call) { c.Method = http.MethodConnect }) })
	}
}

func TestDiagnosisOfAGoodSignatureUsesNoNonceUp(t *testing.T) {
	w := newWorld(t)
	for _, c := range []*call{w.signed(testKey), standardMistake{}.send(w, testKey)} {
		for range 2 {
			d := w.diagnose(c, 1, controlplane.Test)
			if d.Refusal != nil || d.Facts.KeyID != testKey || d.Facts.SignedAt != w.now.Unix() || len(d.StringToSign) == 0 || d.Scheme == "" {
				t.Errorf("%+v", d)
			}
		}
		if _, refusal := w.pass(c); refusal != nil {
			t.Errorf("the gate refuses what was diagnosed: %+v", refusal)
		}
	}
}

// What depends on the moment and the place is not looked at.
func TestDiagnosisLooksAtTheSignatureAlone(t *testing.T) {
	w := newWorld(t)
	c := w.signed(testKey)
	w.now = w.now.Add(24 * time.Hour)
	if d := w.diagnose(c, 1, controlplane.Test); d.Refusal != nil {
		t.Errorf("an old one: %+v", d.Refusal)
	}
	if d := w.diagnose(w.signed(testKey, func(c *call) { c.ClientIP = c.ClientIP.Prev() }), 1, controlplane.Test); d.Refusal != nil {
		t.Errorf("from elsewhere: %+v", d.Refusal)
	}
}

func TestDiagnosisOfKeys(t *testing.T) {
	w := newWorld(t)
	for name, tc := range map[string]struct {
		key      string
		merchant byte
		env      controlplane.Environment
		code     Code
		because  string
	}{
		"unknown":                {unknownKey, 1, controlplane.Live, KeyInvalid, ""},
		"another merchant's":     {liveKey, 2, controlplane.Live, KeyInvalid, ""},
		"of another environment": {liveKey, 1, controlplane.Test, EnvMismatch, ""},
		"revoked":                {revokedKey, 1, controlplane.Live, KeyInvalid, reasonRevoked},
		"expired":                {expiredKey, 1, controlplane.Live, KeyInvalid, reasonExpired},
		"of a suspended one":     {haltedKey, 2, controlplane.Live, KeyInvalid, reasonSuspended},
	} {
		d := w.diagnose(w.signed(tc.key), tc.merchant, tc.env)
		if d.Refusal == nil || d.Refusal.Code != tc.code || d.Refusal.Because != tc.because {
			t.Errorf("%s: %+v", name, d.Refusal)
		}
		if own := tc.code != KeyInvalid || tc.because != ""; own != (d.Facts.KeyID != "") {
			t.Errorf("%s: key %q", name, d.Facts.KeyID)
		}
	}
	foreign, unknown := w.diagnose(w.signed(liveKey), 2, controlplane.Live).Refusal, w.diagnose(w.signed(unknownKey), 2, controlplane.Live).Refusal
	foreign.Facts, unknown.Facts = Facts{}, Facts{}
	if fmt.Sprint(foreign) != fmt.Sprint(unknown) {
		t.Errorf("another merchant's key answers %+v, an unknown one %+v", foreign, unknown)
	}
}
