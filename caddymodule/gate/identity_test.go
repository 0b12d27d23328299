package gate

import (
	"net/http"
	"net/netip"
	"reflect"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestDeleteProtectedKnowsEverySpelling(t *testing.T) {
	keep := http.Header{
		"X-Unknown": {"1"}, "X-Un-Key": {"1"}, "Signature-Inputs": {"1"}, "Signatures": {"1"}, "X-Unk": {"1"}, "Content-Digest": {"1"}, "Idempotency-Key": {"1"}, "Cookie": {"1"}, "": {"1"},
	}
	h := keep.Clone()
	for _, name := range []string{
		"X-Unk-Merchant-Id", "x-unk-merchant-id", "X_Unk_Merchant_Id", "X.Unk.Merchant.Id", "X-unk_merchant.ID", "X-UNK-CLIENT-IP", "X_UNK-Key", "X-Unk-Signature",
		"X-Unk-Request-Id", "X-Unk-Anything", "X-Unk-", "Signature", "signature-input", "Signature_Input", "SIGNATURE.INPUT",
		"Upgrade", "Http2-Settings",
	} {
		h[name] = []string{"forged"}
	}
	DeleteProtected(h)
	if !reflect.DeepEqual(h, keep) {
		t.Errorf("left: %v", h)
	}
	DeleteProtected(nil)
}

func TestIdentityIsWhatWasProven(t *testing.T) {
	f := Facts{Merchant: [16]byte{15: 1}, KeyID: testKey, Environment: controlplane.Test, ClientIP: netip.MustParseAddr("2001:db8::1")}
	h := http.Header{"X-Unk-Merchant-Id": {"forged", "twice"}}
	f.SetIdentity(h, "req_1", new(Identity))
	want := http.Header{
		HeaderMerchantID: {merchantID(1)}, HeaderEnvironment: {"test"}, HeaderKeyID: {testKey}, HeaderClientIP: {"2001:db8::1"}, HeaderRequestID: {"req_1"},
	}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("%v", h)
	}
	h.Add(HeaderMerchantID, "x")
	if h.Get(HeaderEnvironment) != "test" {
		t.Error("the headers share their values' array")
	}
	for name := range want {
		if name != http.CanonicalHeaderKey(name) || !protected(name) {
			t.Errorf("%s is not canonical or not protected", name)
		}
	}
	if (&Facts{}).MerchantID() != "" {
		t.Error("nobody has an id")
	}
}

func TestPrefersProblem(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                         false,
		"*/*":                      false,
		"application/json":         false,
		"application/problem+json": true,
		"application/problem+json, application/json":                         false,
		"application/problem+json, */*":                                      true,
		"application/problem+json;q=0.5, */*":                                false,
		"application/problem+json;q=0":                                       false,
		"application/json;q=0.5, Application/Problem+JSON":                   true,
		"application/json;q=0, application/problem+json;charset=utf-8;q=0.1": true,
		"application/problem+json;q=nonsense":                                true,
		"text/html, application/*;q=0.2, application/problem+json;q=0.3":     true,
	} {
		if got := PrefersProblem(http.Header{"Accept": {accept}}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
	if PrefersProblem(nil) {
		t.Error("no Accept at all")
	}
}

func TestJSONIsSafeToShowAnywhere(t *testing.T) {
	r := refuse(SignatureMismatch, &Facts{}, "a\"b\\c\n\t<script>&\x7f\xff é", Detail{"list", []string{"x", "<y>"}}, Detail{"odd", 1.5})
	got := string(r.AppendJSON(nil, Presentation{RequestID: "r"}))
	want := `{"error":{"code":"SIGNATURE_MISMATCH","message":"a\"b\\c\n\u0009\u003cscript\u003e&\u007f` + "\uFFFD é" + `","request_id":"r","details":{"list":["x","\u003cy\u003e"],"odd":null}}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	problem := string(refuse(AuthRequired, &Facts{}, "m").AppendProblem(nil, Presentation{RequestID: "r"}))
	if want := `{"type":"about:blank","title":"Authentication required","status":401,"detail":"m","code":"AUTH_REQUIRED","request_id":"r"}`; problem != want {
		t.Errorf("got %s", problem)
	}
}

func TestCodesAreDocumented(t *testing.T) {
	seen := map[Code]bool{}
	for _, c := range Codes() {
		if seen[c.Code] || c.Status < 400 || c.Title == "" || c.When == "" || c.Remedy == "" || infoOf(c.Code) != c {
			t.Errorf("%+v", c)
		}
		seen[c.Code] = true
	}
	if infoOf("UNHEARD_OF").Status != 503 {
		t.Error("a code without a row must not look like a success")
	}
}
