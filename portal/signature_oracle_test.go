package portal

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// What this page may never be is somebody who signs for others: no answer to any
// request, rightly or wrongly signed or not readable at all, holds the MAC that the
// request should carry, nor eight characters of it in any spelling.
func TestNoAnswerOfTheWorkbenchHoldsAnExpectedMAC(t *testing.T) {
	asvs.Covers(t, "8.2.3")
	b := newWorkbench(t)
	rapid.Check(t, func(t *rapid.T) {
		d, headers, want := b.anything(t)
		rec := b.paste(d, headers, rapid.Bool().Draw(t, "curl"))
		if rec.Code != http.StatusOK && rec.Code != http.StatusUnprocessableEntity {
			t.Fatalf("%d", rec.Code)
		}
		if piece := pieceOf(html.UnescapeString(rec.Body.String()), want); piece != "" {
			t.Fatalf("the answer holds %q of the expected MAC", piece)
		}
	})
}

// Nor may the explorer, which shows what the gateway wrote down of such a request:
// not on the page of it, in the list or in the file, to nobody.
func TestNoAnswerOfTheExplorerHoldsAnExpectedMAC(t *testing.T) {
	asvs.Covers(t, "8.2.3")
	b := newWorkbench(t)
	viewer := b.as(b.site, controlplane.RoleViewer)
	rapid.Check(t, func(t *rapid.T) {
		d, headers, want := b.anything(t)
		log := "/" + string(d.env) + "/requests"
		id := b.sent(d, headers)
		for _, at := range []string{log + "/" + id, log + "?path=/", log + ".csv?path=/"} {
			for _, reader := range []*browser{b.browser, viewer} {
				rec := reader.get(at)
				if rec.Code != http.StatusOK {
					t.Fatalf("%s: %d", at, rec.Code)
				}
				if piece := pieceOf(html.UnescapeString(rec.Body.String()), want); piece != "" {
					t.Fatalf("%s holds %q of the expected MAC", at, piece)
				}
			}
		}
	})
}

// sent writes a request down as a gateway does and returns its id.
func (b *workbench) sent(d draft, headers [][2]string) string {
	b.Helper()
	_, host, target, err := splitURL(d.url)
	b.must(err)
	in := controlplane.CheckSignature{
		MerchantID: b.site.merchant.ID, Environment: d.env, Method: d.method, Scheme: "https", Host: host, Target: target, Body: []byte(d.body),
	}
	for _, pair := range headers {
		in.Headers = append(in.Headers, controlplane.Header{Name: pair[0], Value: pair[1]})
	}
	v, err := b.diagnose(in, b.clock.Now())
	b.must(err)
	path, _, _ := strings.Cut(target, "?")
	return b.logged(b.site.merchant.ID, func(q *controlplane.LoggedRequest) {
		q.Environment, q.KeyID, q.Method, q.Path, q.Code, q.Why = d.env, v.KeyID, d.method, path, v.Code, v.Why
		q.StringToSign = ""
		if d.env == controlplane.Test {
			q.StringToSign = v.StringToSign
		}
		if v.Good() {
			q.Outcome, q.Code = controlplane.RequestAccepted, controlplane.RequestOK
		}
	})
}

// anything is a request, rightly or wrongly signed or not readable at all, and the
// MAC that it should carry.
func (b *workbench) anything(t *rapid.T) (d draft, headers [][2]string, want [32]byte) {
	d = draft{
		scheme: rapid.SampledFrom([]signature.Scheme{signature.UNK1, signature.RFC9421}).Draw(t, "scheme"),
		env:    rapid.SampledFrom([]controlplane.Environment{controlplane.Live, controlplane.Test}).Draw(t, "env"),
		method: rapid.SampledFrom([]string{"GET", "POST", "PUT", "DELETE"}).Draw(t, "method"),
		url:    "https://api.example.com" + rapid.StringMatching(`(/[a-zA-Z0-9._%-]{1,8}){0,3}(\?[a-z]=[a-zA-Z0-9%]{0,9}(&[a-z]=[0-9]{1,9}){0,2})?`).Draw(t, "target"),
		nonce:  rapid.StringMatching(`[A-Za-z0-9_-]{16,64}`).Draw(t, "nonce"), body: rapid.StringMatching(`[ -~\n]{0,60}`).Draw(t, "body"),
		mistake: rapid.SampledFrom([]string{"", "\n", "x"}).Draw(t, "mistake"),
	}
	headers, want = b.sign(d)
	var spoilt string
	if rapid.IntRange(0, 3).Draw(t, "spoil") == 0 {
		spoilt = rapid.SampledFrom([]string{"X-Unk-Nonce", "X-Unk-Key", "X-Unk-Timestamp", "Signature-Input", "Content-Digest"}).Draw(t, "header")
	}
	for i := range headers {
		if headers[i][0] == spoilt {
			headers[i][1] = rapid.StringMatching(`[!-~]{0,30}`).Draw(t, "value")
		}
	}
	if d.mistake == "" && spoilt == "" && pieceOf(fmt.Sprint(headers), want) == "" {
		t.Fatal("what is looked for is not even in what was pasted: this proves nothing")
	}
	return d, headers, want
}

// pieceOf finds eight characters of a MAC in a text: in hex, and in the base64 of it
// from any byte on, so that any six bytes in a row are found.
func pieceOf(text string, mac [32]byte) string {
	lower := hex.EncodeToString(mac[:])
	spellings := []string{lower, strings.ToUpper(lower)}
	for from := range 3 { // base64 is alike again after three bytes
		spellings = append(spellings, base64.RawStdEncoding.EncodeToString(mac[from:]), base64.RawURLEncoding.EncodeToString(mac[from:]))
	}
	for _, spelling := range spellings {
		for i := range len(spelling) - 7 {
			if piece := spelling[i : i+8]; strings.Contains(text, piece) {
				return piece
			}
		}
	}
	return ""
}
