package browser

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
)

// inspectWebhooks looks at every page about webhooks, in the order in which their
// owner comes to see them.
func (c *chromium) inspectWebhooks(t *testing.T) {
	merchant := c.site.merchant("Charoen Krung Stationery")
	p, a := c.newcomer(t, true, merchant, "somchai", "owner")
	p.inspectAll(map[string]string{"webhooks-empty": "/test/webhooks", "webhooks-deliveries-empty": "/test/webhooks/deliveries"})
	endpoint := p.inspectNewEndpoint(a)
	p.inspectTests(endpoint)
	p.inspectFailing(merchant, endpoint)
	gone := p.inspectGone(a, merchant)
	p.inspectAll(map[string]string{
		"webhooks": "/test/webhooks", "webhooks-live-empty": "/live/webhooks", "webhooks-events": "/test/webhooks/events", "webhooks-verify": "/test/webhooks/verify",
		"webhooks-deliveries": "/test/webhooks/deliveries", "webhooks-deliveries-no-match": "/test/webhooks/deliveries?type=deposit.expired",
		"webhooks-deliveries-wrong": "/test/webhooks/deliveries?since=1999-12-31T23:59", "overview-webhook-failing": "/",
		"webhooks-edit": endpoint + "/edit", "webhooks-secret": endpoint + "/secret", "webhooks-stop": endpoint + "/stop",
		"webhooks-replay": endpoint + "/replay", "webhooks-replay-disabled": gone + "/replay", "webhooks-replay-wrong": endpoint + "/replay?since=1999-12-31T23:59",
	})
	p.inspectRotation(endpoint)
	onlooker, _ := c.newcomer(t, true, merchant, "mana", "viewer")
	onlooker.inspectAll(map[string]string{"webhooks-viewer": "/test/webhooks", "webhooks-endpoint-viewer": gone})
	p.open("/test/webhooks")
	p.press("ไทย")
	p.inspectAll(map[string]string{
		"webhooks-thai": "/test/webhooks", "webhooks-endpoint-thai": endpoint, "webhooks-deliveries-thai": "/test/webhooks/deliveries", "webhooks-new-thai": "/test/webhooks/new",
	})
}

func (p *person) inspectAll(scenes map[string]string) {
	p.t.Helper()
	for scene, at := range scenes {
		p.open(at)
		p.inspect(scene)
	}
}

// inspectNewEndpoint adds one and returns its page.
func (p *person) inspectNewEndpoint(a *account) string {
	p.t.Helper()
	p.open("/test/webhooks/new")
	p.confirm(a)
	p.inspect("webhooks-new")
	p.fill("url", "https://user:secret@shop.example.com/webhooks")
	p.press("Add it and show the signing secret")
	p.inspect("webhooks-new-wrong")
	p.fill("url", p.site.receiver.URL+"/orders/and/payments/of/the/shop/in/charoen-krung-road")
	p.fill("description", "Order system in the back room, the grey machine")
	p.press("Add it and show the signing secret")
	p.inspect("webhooks-shown")
	p.press("I have kept the secret")
	p.inspect("webhooks-endpoint-new")
	return p.path()
}

// inspectTests presses the test button of a receiver that works and of one that
// does not.
func (p *person) inspectTests(endpoint string) {
	p.t.Helper()
	r, path := p.site.receiver, "/orders/and/payments/of/the/shop/in/charoen-krung-road"
	p.press("Send a test event")
	p.expect(endpoint, "The test was delivered")
	p.inspect("webhooks-endpoint-tested")
	p.press("Request, answer and times")
	p.inspect("webhooks-delivery")
	r.breaks(path, http.StatusInternalServerError, "<h1>Internal Server Error</h1>\nconnect ECONNREFUSED 127.0.0.1:5432\n    at Orders.write (/srv/shop/orders.js:118:11)")
	p.open(endpoint)
	p.press("Send a test event")
	p.expect(endpoint, "The test failed")
	p.inspect("webhooks-endpoint-test-failed")
	p.press("Request, answer and times")
	p.becomes("ECONNREFUSED")
	p.inspect("webhooks-delivery-failed")
}

// inspectFailing gives a broken receiver five events, after which it counts as
// failing.
func (p *person) inspectFailing(merchant, endpoint string) {
	p.t.Helper()
	for _, kind := range []string{"deposit.success", "withdrawal.success", "withdrawal.failed", "deposit.expired", "deposit.success"} {
		p.site.event(merchant, kind)
	}
	p.open(endpoint)
	p.becomes("attempts in a row failed")
	p.inspect("webhooks-endpoint-failing")
	p.load(chromedp.Click(chromedp.CSS(`[aria-labelledby="latest"] table a`)))
	p.inspect("webhooks-delivery-waiting")
}

// inspectGone adds an endpoint whose receiver says that it is gone, and returns its
// page.
func (p *person) inspectGone(a *account, merchant string) string {
	p.t.Helper()
	_, gone := p.addEndpoint(a, "/old-shop")
	p.site.receiver.breaks("/old-shop", http.StatusGone, "")
	p.site.event(merchant, "withdrawal.refunded")
	p.open(gone)
	p.becomes("so this endpoint was disabled")
	p.site.event(merchant, "withdrawal.refunded")
	p.becomes("Events are held, not dropped: 1 so far.")
	p.inspect("webhooks-endpoint-disabled")
	return gone
}

// inspectRotation rotates the secret of an endpoint.
func (p *person) inspectRotation(endpoint string) {
	p.t.Helper()
	p.open(endpoint + "/secret")
	p.press("Rotate and show the new secret")
	p.inspect("webhooks-shown-rotated")
	p.open(endpoint + "/secret")
	p.inspect("webhooks-secret-again")
	p.open(endpoint + "/stop")
	p.do(chromedp.Click(control("Delete the endpoint")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	p.inspect("webhooks-delete")
}
