package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// inspectExplorer looks at what the portal tells of requests: of one that passed, of
// one with a wrong secret and of one from an address that is not allowed.
func (c *chromium) inspectExplorer(t *testing.T) {
	s := c.site
	merchant := s.merchant("Rim Nam Noodles")
	p, a := c.newcomer(t, true, merchant, "kamon", "owner")
	p.inspectAll(map[string]string{"requests-empty": "/test/requests", "errors": "/docs/errors"})
	p.open("/test/key/issue")
	p.confirm(a)
	p.press("Issue a test key")
	key := pair{p.code(0), p.code(1)}
	key.answersWithinASecond(t, s.gateway, "IP_NOT_ALLOWED")
	s.allow(merchant, "127.0.0.1", "this machine")
	key.answersWithinASecond(t, s.gateway, "")
	pair{key.id, "unks_test_000000000000000000000000000000000000"}.answersWithinASecond(t, s.gateway, "SIGNATURE_MISMATCH")

	p.inspectRequest("?code=IP_NOT_ALLOWED", "requests-request-ip")
	p.inspectRequest("?code=SIGNATURE_MISMATCH", "requests-request-signature")
	p.inspectRequest("?outcome=accepted", "requests-request-accepted")
	p.inspectAll(map[string]string{
		"requests": "/test/requests", "requests-no-match": "/test/requests?path=/v2", "requests-wrong": "/test/requests?ip=shop.example&since=1999-12-31T23:59",
	})
	p.inspectWorkbench(key)
	p.open("/test/requests")
	p.press("ไทย")
	p.inspectAll(map[string]string{"requests-thai": "/test/requests", "errors-thai": "/docs/errors"})
	p.inspectRequest("?code=SIGNATURE_MISMATCH", "requests-request-thai")
}

// inspectRequest looks at the newest request that a filter finds: they are written
// down within a second or two.
func (p *person) inspectRequest(filter, scene string) {
	p.t.Helper()
	p.inspectRequestAt("/test/requests"+filter, scene)
}

func (p *person) inspectRequestAt(at, scene string) {
	p.t.Helper()
	p.open(at)
	for deadline := time.Now().Add(patience); !eval[bool](p, `Boolean(document.querySelector("main table[role] a"))`); p.load(chromedp.Reload()) {
		if time.Now().After(deadline) {
			p.t.Fatalf("no request is at %s; the page says\n%s", at, p.text())
		}
	}
	p.load(chromedp.Click(chromedp.CSS(`main table[role] a`)))
	p.inspect(scene)
}

// inspectWorkbench has the portal look at what was sent.
func (p *person) inspectWorkbench(key pair) {
	p.t.Helper()
	p.open("/test/signature")
	p.inspect("signature")
	p.press("Check")
	p.inspect("signature-wrong")
	p.open("/test/signature")
	p.do(chromedp.Focus(chromedp.CSS(`main [name="curl"]`)), command(input.InsertText, input.InsertTextParams{Text: `curl -X POST http://127.0.0.1:8080/v1/payments -H 'X-Unk-Key: ` + key.id + `' -H 'X-Unk-Timestamp: 1795461566' -H 'X-Unk-Nonce: 6I2ULSIVGZCDXDPQJU4DVBCTUC'` +
		` -H 'X-Unk-Signature: v1=` + strings.Repeat("0", 64) + `' --data '{"amount":1000,"currency":"THB"}'`}))
	p.press("Check")
	p.inspect("signature-mismatch")
}
