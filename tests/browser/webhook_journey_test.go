package browser

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestFromAnEndpointToAReplay walks what an owner does about webhooks: a receiver
// works, breaks, is mended, and nothing is lost.
func TestFromAnEndpointToAReplay(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, c *chromium, scripts bool) {
		s := c.site
		path := "/" + unique("hooks", scripts)
		merchant := s.merchant("Blue Bottle Books")
		p, a := c.newcomer(t, scripts, merchant, unique("bea", scripts), "owner")
		p.enrol(a)

		secret, endpoint := p.addEndpoint(a, path)
		p.press("Send a test event")
		p.expect(endpoint, "The test was delivered")
		s.receiver.await(t, path, 1).signedWith(t, secret)
		p.replaysAFailedTest(endpoint, path)
		p.waitsForAnotherAttempt(merchant, endpoint, path)
		p.enablesAndReplaysWhatWasHeld(merchant, endpoint, path)
		s.receiver.await(t, path, len(s.receiver.at(path))).signedWith(t, secret)

		onlooker, _ := c.newcomer(t, scripts, merchant, unique("viewer", scripts), "viewer")
		onlooker.mayOnlyLookAtWebhooks(endpoint)
		helper, _ := c.newcomer(t, scripts, merchant, unique("operator", scripts), "operator")
		helper.open(endpoint)
		helper.press("Send a test event")
		helper.expect(endpoint, "The test was delivered")
	})
}

// event hands one in, as a backend of the platform does.
func (s *site) event(merchant, kind string) {
	s.t.Helper()
	run[any](s, "event", "send", "--merchant", merchant, "--env", "test", "--type", kind, "--data", `{"id":"dep_4711","amount":1000,"currency":"THB"}`)
}

// addEndpoint sees the signing secret once, and returns it and the endpoint's page.
func (p *person) addEndpoint(a *account, path string) (secret, endpoint string) {
	p.t.Helper()
	p.open("/test/webhooks")
	p.press("Add an endpoint")
	p.confirm(a)
	p.fill("url", p.site.receiver.URL+path)
	p.press("Add it and show the signing secret")
	p.expect("/test/webhooks/new", "It is not shown again.")
	if secret = p.code(0); !strings.HasPrefix(secret, "whsec_") {
		p.t.Fatalf("shown as a signing secret: %q", secret)
	}
	p.load(chromedp.Reload())
	p.expect("/test/webhooks/new", "This was done already")
	p.press("Back")
	p.expect("/test/webhooks", path)
	p.load(chromedp.Click(chromedp.JSPath(`[...document.querySelectorAll("main table a")].filter((e) => e.textContent.endsWith("` + path + `"))[0]`)))
	if endpoint = p.path(); strings.Contains(p.text(), secret) {
		p.t.Error("the endpoint's page shows the secret again")
	}
	return secret, endpoint
}

// becomes loads a page again until it says something.
func (p *person) becomes(text string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(p.text(), text); p.load(chromedp.Reload()) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s does not come to say %q; it says\n%s", p.path(), text, p.text())
		}
	}
}

// replaysAFailedTest sees why a test failed, mends the receiver, and replays it.
func (p *person) replaysAFailedTest(endpoint, path string) {
	p.t.Helper()
	r := p.site.receiver
	r.breaks(path, http.StatusInternalServerError, "the disk is full")
	p.open(endpoint)
	p.press("Send a test event")
	p.expect(endpoint, "The test failed")
	p.expect(endpoint, "Your server answered 500.")
	failed := r.await(p.t, path, 2)
	p.press("Request, answer and times")
	p.becomes("the disk is full")
	p.becomes(failed.id)
	p.becomes("A test is tried once, and this one failed.")

	r.mends(path)
	p.press("Replay this one event")
	p.becomes("Your server answered 204.")
	if again := r.await(p.t, path, 3); again.id != failed.id || again.body != failed.body {
		p.t.Errorf("the replay is another event: %+v, after %+v", again, failed)
	}
}

// waitsForAnotherAttempt mends the receiver before the second attempt.
func (p *person) waitsForAnotherAttempt(merchant, endpoint, path string) {
	p.t.Helper()
	r := p.site.receiver
	n := len(r.at(path))
	r.breaks(path, http.StatusServiceUnavailable, "")
	p.site.event(merchant, "deposit.success")
	first := r.await(p.t, path, n+1)
	p.open("/test/webhooks/deliveries?event=" + first.id)
	p.becomes("Answered 503")
	r.mends(path)
	p.becomes("Delivered")
	if second := r.await(p.t, path, n+2); second.id != first.id {
		p.t.Errorf("the second attempt is another event: %s, after %s", second.id, first.id)
	}
	p.open(endpoint)
	p.becomes("Enabled")
}

// enablesAndReplaysWhatWasHeld after the receiver said that it is gone.
func (p *person) enablesAndReplaysWhatWasHeld(merchant, endpoint, path string) {
	p.t.Helper()
	r := p.site.receiver
	n := len(r.at(path))
	r.breaks(path, http.StatusGone, "")
	p.site.event(merchant, "withdrawal.success")
	gone := r.await(p.t, path, n+1)
	p.open(endpoint)
	p.becomes("Your server answered 410 (gone), so this endpoint was disabled:")
	p.site.event(merchant, "withdrawal.failed")
	p.becomes("Events are held, not dropped: 1 so far.")

	r.mends(path)
	p.press("Enable the endpoint")
	p.expect(endpoint+"/replay", "Choose whether to replay what was held meanwhile.")
	p.press("Replay now: 1")
	p.expect(endpoint, "The replay has begun.")
	if held := r.await(p.t, path, n+2); held.id == gone.id || !strings.Contains(held.body, "withdrawal.failed") {
		p.t.Errorf("replayed: %+v, want what was held", held)
	}
	p.open("/test/webhooks/deliveries?event=" + gone.id)
	p.press("withdrawal.success")
	p.press("Replay this one event")
	p.becomes("Your server answered 204.")
	if again := r.await(p.t, path, n+3); again.id != gone.id {
		p.t.Errorf("the replay is another event: %s, want %s", again.id, gone.id)
	}
}

// mayOnlyLookAtWebhooks tries what a viewer may not do: no page offers it, and the
// server refuses it.
func (p *person) mayOnlyLookAtWebhooks(endpoint string) {
	p.t.Helper()
	p.open("/test/webhooks/deliveries")
	p.press("withdrawal.success")
	delivery := p.path()
	for _, at := range []string{"/test/webhooks", endpoint, delivery} {
		p.open(at)
		for _, says := range []string{
			"Add an endpoint", "Edit the endpoint", "Rotate the signing secret", "Disable or delete", "Send a test event", "Replay", "Replay this one event",
		} {
			if p.offers(says) {
				p.t.Errorf("%s offers %q", at, says)
			}
		}
	}
	for _, at := range []string{"/test/webhooks/new", endpoint + "/edit", endpoint + "/secret", endpoint + "/stop", endpoint + "/replay"} {
		p.open(at)
		p.expect(at, "You may not do that")
	}
	for _, at := range []string{
		"/test/webhooks/new", endpoint + "/edit", endpoint + "/secret", endpoint + "/test", endpoint + "/disable", endpoint + "/delete", endpoint + "/replay", delivery + "/replay",
	} {
		p.open("/roles")
		p.postFrom(at, "once", "0123456789abcdef0123456789abcdef")
		p.expect(at, "You may not do that")
	}
}
