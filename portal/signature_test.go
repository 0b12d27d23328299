package portal

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// diagnose is the gateway's own look at a signature, by the snapshot of the test.
func (w *world) diagnose(in controlplane.CheckSignature, now time.Time) (v controlplane.SignatureVerdict, err error) {
	c := &gate.Case{
		Request: gate.Request{Method: in.Method, Target: in.Target, Host: in.Host, TLS: in.Scheme == "https", Header: http.Header{}},
		Body:    in.Body, MerchantID: in.MerchantID, Environment: in.Environment,
	}
	for _, h := range in.Headers {
		c.Header.Add(h.Name, h.Value)
	}
	snapshot := w.snapshot
	if snapshot == nil {
		snapshot = controlplane.NewSnapshot()
	}
	d := gate.Diagnose(snapshot, c, now)
	v.Scheme, v.KeyID, v.StringToSign = d.Scheme, d.Facts.KeyID, string(d.StringToSign)
	if at := d.Facts.SignedAt; at != 0 {
		v.SignedAt, v.Why.Signed, v.Why.Difference, v.Why.MaxSeconds = time.Unix(at, 0), true, at-now.Unix(), 300
	}
	if d.Refusal == nil {
		return v, nil
	}
	v.Code, v.Why.Cause = string(d.Refusal.Code), d.Refusal.Hint
	for _, detail := range d.Refusal.Details {
		switch text := fmt.Sprint(detail.Value); detail.Name {
		case "header":
			v.Why.Header = text
		case "reason":
			v.Why.Reason = text
		case "body_sha256":
			v.Why.BodySHA256 = text
		case "string_to_sign_sha256":
			v.Why.StringSHA256 = text
		}
	}
	return v, nil
}

// workbench is a merchant with a key in each environment, somebody who may check
// signatures, and what signs as the merchant does.
type workbench struct {
	*world
	site    site
	browser *browser
	keys    map[controlplane.Environment]string
	macs    map[string]signature.MACKey
}

func newWorkbench(t testing.TB) *workbench {
	t.Helper()
	w := newWorld(t)
	s := w.site("Shop")
	b := &workbench{world: w, site: s, browser: w.as(s, controlplane.RoleOperator), keys: map[controlplane.Environment]string{}, macs: map[string]signature.MACKey{}}
	edit := controlplane.NewSnapshot().Edit()
	w.must(edit.SetMerchant(controlplane.MerchantRecord{ID: s.merchant.ID, State: controlplane.MerchantActive}))
	for _, env := range []controlplane.Environment{controlplane.Live, controlplane.Test} {
		issued, err := w.service.RotateKey(w.Context(), controlplane.LocalActor("root"), controlplane.RotateKey{MerchantID: s.merchant.ID, Environment: env})
		w.must(err)
		material, err := controlplane.NewKeyMaterial(env, []byte(issued.Secret.Reveal()))
		w.must(err)
		w.must(edit.SetKey(controlplane.KeyRecord{ID: issued.Key.ID, MerchantID: s.merchant.ID, Environment: env, State: controlplane.KeyActive}, material))
		b.keys[env] = issued.Key.ID
		b.macs[issued.Key.ID], err = signature.NewMACKey([]byte(issued.Secret.Reveal()))
		w.must(err)
	}
	w.snapshot = edit.Snapshot(1)
	return b
}

// draft is a request to be signed.
type draft struct {
	scheme             signature.Scheme
	env                controlplane.Environment
	method, url, nonce string
	body               string
	// mistake is put behind what is signed.
	mistake string
}

// sign returns the headers of a request, and the MAC that it should carry.
func (b *workbench) sign(d draft) (headers [][2]string, want [32]byte) {
	b.Helper()
	stamp := fmt.Sprint(b.clock.Now().Unix())
	key := b.keys[d.env]
	if d.scheme == signature.UNK1 {
		headers = [][2]string{{"X-Unk-Key", key}, {"X-Unk-Timestamp", stamp}, {"X-Unk-Nonce", d.nonce}, {"X-Unk-Signature", "v1=" + strings.Repeat("0", 64)}}
	} else {
		input := `sig=("@method" "@authority" "@path" "@query"`
		if d.body != "" {
			sum := sha256.Sum256([]byte(d.body))
			headers = append(headers, [2]string{"Content-Digest", "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"})
			input += ` "content-digest"`
		}
		headers = append(headers, [2]string{"Signature-Input", input + `);created=` + stamp + `;keyid="` + key + `";nonce="` + d.nonce + `"`},
			[2]string{"Signature", "sig=:" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + ":"})
	}
	text := b.stringToSign(d, headers)
	mac := b.macs[key]
	want = mac.SumBytes(text)
	sent := mac.SumBytes(append(text, d.mistake...))
	value := "v1=" + hex.EncodeToString(sent[:])
	if d.scheme == signature.RFC9421 {
		value = "sig=:" + base64.StdEncoding.EncodeToString(sent[:]) + ":"
	}
	headers[len(headers)-1][1] = value
	return headers, want
}

func (b *workbench) stringToSign(d draft, headers [][2]string) []byte {
	b.Helper()
	h := http.Header{}
	for _, pair := range headers {
		h.Add(pair[0], pair[1])
	}
	c, err := signature.Parse(h)
	b.must(err)
	_, host, target, err := splitURL(d.url)
	b.must(err)
	r := signature.Request{Method: d.method, Scheme: "https", Target: target, Body: signature.Body{Length: int64(len(d.body)), SHA256: sha256.Sum256([]byte(d.body))}}
	r.Host, err = signature.Host(host, "https")
	b.must(err)
	text, err := c.AppendStringToSign(nil, &r)
	b.must(err)
	return text
}

// paste sends a request to the page, as a curl command or in parts.
func (b *workbench) paste(d draft, headers [][2]string, curl bool) *httptest.ResponseRecorder {
	b.Helper()
	b.clock.pass(1100 * time.Millisecond) // checks are limited
	page := "/" + string(d.env) + "/signature"
	if !curl {
		var lines []string
		for _, pair := range headers {
			lines = append(lines, pair[0]+": "+pair[1])
		}
		return b.browser.post(page, url.Values{
			"method": {d.method}, "url": {d.url}, "headers": {strings.Join(lines, "\r\n")}, "body_form": {"base64"},
			"body": {base64.StdEncoding.EncodeToString([]byte(d.body))},
		})
	}
	quote := func(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
	command := "curl --path-as-is -g -X " + d.method + " " + quote(d.url)
	for _, pair := range headers {
		command += " \\\r\n  -H " + quote(pair[0]+": "+pair[1])
	}
	if d.body != "" {
		command += " --data-raw " + quote(d.body)
	}
	return b.browser.post(page, url.Values{"curl": {command}})
}

func plainDraft(scheme signature.Scheme, env controlplane.Environment) draft {
	return draft{scheme: scheme, env: env, method: "POST", url: "https://api.example.com/v1/payments?b=2&a=1", nonce: "0123456789abcdef", body: `{"amount": 1000}`}
}

func TestWorkbenchTellsGoodFromWrong(t *testing.T) {
	b := newWorkbench(t)
	for _, scheme := range []signature.Scheme{signature.UNK1, signature.RFC9421} {
		for _, env := range []controlplane.Environment{controlplane.Live, controlplane.Test} {
			for _, curl := range []bool{false, true} {
				d := plainDraft(scheme, env)
				headers, _ := b.sign(d)
				b.browser.wants(b.paste(d, headers, curl), http.StatusOK, "The signature is good", b.keys[env], "/v1/payments")
				d.mistake = "\n"
				headers, _ = b.sign(d)
				b.browser.wants(b.paste(d, headers, curl), http.StatusOK, "SIGNATURE_MISMATCH")
				d.mistake = ""
				headers, _ = b.sign(d)
				d.url = strings.TrimSuffix(d.url, "&a=1")
				rec := b.paste(d, headers, curl)
				b.browser.wants(rec, http.StatusOK, "SIGNATURE_MISMATCH")
			}
		}
	}
}

func TestWorkbenchNamesTheMistakeOfTestKeysOnly(t *testing.T) {
	b := newWorkbench(t)
	const mistake = "The query was left out of what was signed."
	for env, told := range map[controlplane.Environment]bool{controlplane.Test: true, controlplane.Live: false} {
		d := plainDraft(signature.UNK1, env)
		sent := d.url
		d.url, _, _ = strings.Cut(d.url, "?")
		headers, _ := b.sign(d)
		d.url = sent
		rec := b.paste(d, headers, true)
		b.browser.wants(rec, http.StatusOK, "SIGNATURE_MISMATCH")
		if strings.Contains(rec.Body.String(), mistake) != told {
			t.Errorf("%s: told %t", env, !told)
		}
	}
}

func TestWorkbenchSaysWhatIsTooOldAndUsesNothingUp(t *testing.T) {
	b := newWorkbench(t)
	d := plainDraft(signature.UNK1, controlplane.Test)
	headers, _ := b.sign(d)
	for range 2 {
		if rec := b.paste(d, headers, true); strings.Contains(rec.Body.String(), "TIMESTAMP_OUT_OF_RANGE") {
			t.Error("a fresh one is called old")
		}
	}
	b.clock.pass(10 * time.Minute)
	b.browser.wants(b.paste(d, headers, true), http.StatusOK, "The signature is good", "TIMESTAMP_OUT_OF_RANGE")
}

func TestWorkbenchExplainsWhatItCannotRead(t *testing.T) {
	b := newWorkbench(t)
	for want, values := range map[string]url.Values{
		"Nothing was pasted":    {},
		"Fill in one of the":    {"curl": {"curl a.example"}, "url": {"https://a.example"}},
		"A secret was pasted":   {"curl": {"curl a.example -H 'X-Unk-Key: unks_test_x'"}},
		"The method is missing": {"url": {"https://a.example"}},
		"The URL is not one":    {"method": {"GET"}, "url": {"a.example"}},
		"Number 2 is not a":     {"method": {"GET"}, "url": {"https://a.example"}, "headers": {"X: 1\r\nnonsense"}},
		"is not base64":         {"method": {"GET"}, "url": {"https://a.example"}, "body": {"!"}, "body_form": {"base64"}},
		"reads from a file":     {"curl": {"curl a.example -d @x"}},
		"larger than this page": {"method": {"GET"}, "url": {"https://a.example/" + strings.Repeat("x", 17_000)}},
		"carries no auth":       {"method": {"GET"}, "url": {"https://a.example"}, "headers": {"GET / HTTP/1.1\r\n> Accept: */*\r\n\r\n"}},
	} {
		rec := b.browser.post("/test/signature", values)
		if !strings.Contains(rec.Body.String(), want) || rec.Code != http.StatusUnprocessableEntity && want != "carries no auth" {
			t.Errorf("%v: %d without %q\n%s", values, rec.Code, want, rec.Body)
		}
	}
}
