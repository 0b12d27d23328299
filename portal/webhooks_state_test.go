package portal

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// pressTest presses the test button and returns where it leads, and the page there.
func (b *browser) pressTest(e controlplane.Endpoint) (string, *httptest.ResponseRecorder) {
	b.Helper()
	page := "/test/webhooks/" + e.ID
	rec := b.press(page, page+"/test", nil)
	to := rec.Header().Get("Location")
	if rec.Code != http.StatusSeeOther || !strings.HasPrefix(to, page+"?test=dlv_") {
		b.Fatalf("%d to %q", rec.Code, to)
	}
	to, _, _ = strings.Cut(to, "#")
	return to, b.get(to)
}

func (w *world) countDeliveries(e controlplane.Endpoint) int {
	w.Helper()
	all, err := w.service.ListDeliveries(w.Context(), controlplane.LocalActor("root"), controlplane.DeliveryFilter{
		MerchantID: e.MerchantID, Environment: e.Environment, EndpointID: e.ID, Limit: 1000,
	})
	w.must(err)
	return len(all)
}

func TestTestButtonShowsItsResultInPlaceForEveryFault(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e := w.webhook(s.merchant.ID, "https://shop.example.com/")
	status := func(n int) controlplane.Attempt {
		return controlplane.Attempt{Fault: controlplane.FaultStatus, Status: n, Detail: "never shown"}
	}
	fault := func(f controlplane.Fault) controlplane.Attempt {
		return controlplane.Attempt{Fault: f, Detail: "in our words"}
	}
	for text, answer := range map[string]controlplane.Attempt{
		"The test was delivered":                   {Status: 204},
		"answered 302, a redirect":                 status(302),
		"answered 410, which says":                 status(410),
		"answered 429: it is busy":                 status(429),
		"answered 503: it is busy":                 status(503),
		"answered 401: it refused":                 status(401),
		"answered 500. Only 2xx":                   status(500),
		"We do not send to this URL any more":      fault(controlplane.FaultURL),
		"an address that we never connect to":      fault(controlplane.FaultBlocked),
		"The host name could not be resolved":      fault(controlplane.FaultDNS),
		"Your server could not be reached":         fault(controlplane.FaultConnect),
		"No secure connection came about":          fault(controlplane.FaultTLS),
		"took longer than 15 seconds":              fault(controlplane.FaultTimeout),
		"not a whole HTTP answer":                  fault(controlplane.FaultProtocol),
		"Something went wrong on our side. It cou": fault(controlplane.FaultInternal),
	} {
		w.courier.says(answer)
		_, rec := b.pressTest(e)
		if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), text) {
			t.Errorf("%+v: %d without %q\n%s", answer, rec.Code, text, rec.Body)
		}
		explained := answer.Fault != "" && answer.Fault != controlplane.FaultStatus
		if strings.Contains(rec.Body.String(), "in our words") != explained || strings.Contains(rec.Body.String(), "never shown") {
			t.Errorf("%+v: the detail is wrong\n%s", answer, rec.Body)
		}
		checkPage(t, w, rec)
	}
}

func TestTestThatTakesLongIsWaitedForOnThePage(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e := w.webhook(s.merchant.ID, "https://shop.example.com/")
	w.courier.away = true
	w.handler.(*portal).testPatience = time.Millisecond
	page, rec := b.pressTest(e)
	b.wants(rec, http.StatusOK, "Sent, and waiting for your answer", `href="`+page+`#test"`)
	w.attempt(e.Row, e.MerchantID, controlplane.LaneTest, controlplane.Attempt{})
	b.wants(b.get(page), http.StatusOK, "The test was delivered")
	if n := w.countDeliveries(e); n != 1 {
		t.Errorf("looking again made it %d deliveries", n)
	}
}

func TestResultOfATestIsThatOfTheEndpoint(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e, other := w.webhook(s.merchant.ID, "https://shop.example.com/"), w.webhook(s.merchant.ID, "https://other.example.com/")
	foreign := w.site("Foreign")
	page, _ := b.pressTest(other)
	_, id, _ := strings.Cut(page, "=")
	for _, id := range []string{id, w.event(e, "no-test", `{}`).ID, foreign.deliveryID, "dlv_none", "<script>alert(1)</script>"} {
		rec := b.get("/test/webhooks/" + e.ID + "?test=" + url.QueryEscape(id))
		if rec.Code != http.StatusOK || strings.Contains(rec.Body.String(), "The test was delivered") || strings.Contains(rec.Body.String(), id+"#test") {
			t.Errorf("%s: %d\n%s", id, rec.Code, rec.Body)
		}
	}
}

func TestWhoMayTestAndWhoMayChange(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	page := "/test/webhooks/" + s.endpointID
	for role, may := range map[controlplane.Role]struct{ test, change bool }{
		controlplane.RoleOwner: {true, true}, controlplane.RoleAdmin: {true, true}, controlplane.RoleOperator: {true, false}, controlplane.RoleViewer: {},
	} {
		b := w.as(s, role)
		body := b.get(page).Body.String()
		if strings.Contains(body, page+"/test") != may.test || strings.Contains(body, page+"/edit") != may.change || strings.Contains(body, page+"/replay") != may.change {
			t.Errorf("%s sees\n%s", role, body)
		}
		if got := b.post(page+"/test", nil).Code == http.StatusSeeOther; got != may.test {
			t.Errorf("%s may test: %t", role, got)
		}
		if got := b.get(page+"/edit").Code == http.StatusOK; got != may.change {
			t.Errorf("%s may edit: %t", role, got)
		}
	}
}

func TestPagesWithAnIDOfferNothingThatIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, st := range w.stages()[1:] {
		for _, role := range merchantRoles() {
			b := w.as(st.site, role)
			for _, r := range webhookRoutes() {
				if r.Method != get || r.addressable() || !w.handler.(*portal).table.byName[r.Name].allows(role) {
					continue
				}
				for _, n := range elements(b, b.get(w.address(cell{route: r}, st.site, st.site))) {
					b.judgeOffer(st, role, r.Name, n)
				}
			}
		}
	}
}

func TestDisabledEndpointIsEnabledInOneClickAndOffersWhatWasHeld(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e := w.webhook(s.merchant.ID, "https://shop.example.com/")
	page := "/test/webhooks/" + e.ID
	b.to(b.press(page+"/stop", page+"/disable", nil), page)
	d := w.event(e, "held", `{}`)
	b.wants(b.get(page), http.StatusOK, "was disabled by hand", "Events are held, not dropped: 1 so far.")
	b.wants(b.get("/"), http.StatusOK, "A webhook endpoint is disabled", `href="`+page+`"`)
	b.wants(b.get(page+"/deliveries/"+d.ID), http.StatusOK, "Held", "Enable it before replaying.")
	b.wants(b.get(page+"/replay"), http.StatusOK, "Enable it before replaying.", "Events to send: 1.")

	b.to(b.press(page, page+"/enable", nil), page+"/replay")
	b.wants(b.get(page+"/replay"), http.StatusOK, "Choose whether to replay", "Replay now: 1")
	b.wants(b.post(page+"/enable", nil), http.StatusConflict)
	b.wants(b.get(page), http.StatusOK, "Events held while the endpoint was disabled: 1.")
	b.to(b.press(page+"/replay", page+"/replay", url.Values{"kind": {"never_attempted"}}), page)
	b.wants(b.get(page), http.StatusOK, "The replay has begun.", "Never attempted", "Running")
	b.wants(b.get(page+"/replay"), http.StatusOK, "Running")

	_, err := w.service.StepReplays(t.Context())
	w.must(err)
	w.attempt(e.Row, e.MerchantID, controlplane.LaneBulk, controlplane.Attempt{})
	b.wants(b.get(page), http.StatusOK, "1 events so far", "Done")
	b.wants(b.get(page+"/deliveries/"+d.ID), http.StatusOK, "Your server answered with 2xx.")
}

func TestBannersSayWhyNothingArrives(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e := w.webhook(s.merchant.ID, "https://shop.example.com/")
	page := "/test/webhooks/" + e.ID
	condition := func(c controlplane.EndpointCondition) {
		c.EndpointRow, c.MerchantID = e.Row, e.MerchantID
		w.must(w.db.Update(t.Context(), func(tx controlplane.Tx) error { return tx.SaveEndpointCondition(t.Context(), c) }))
	}
	failing := controlplane.EndpointCondition{Failures: 5, Breaker: controlplane.BreakerInARow, FailingSince: w.clock.Now(), ProbeAt: w.clock.Now().Add(5 * time.Minute)}
	condition(failing)
	b.wants(b.get(page), http.StatusOK, "5 attempts in a row failed, since", "2026-03-01 12:00:00 UTC", "Failing", "The next try is not before", "2026-03-01 12:05:00 UTC")
	failing.Breaker, failing.ProbeAt = controlplane.BreakerHalf, w.clock.Now()
	condition(failing)
	b.wants(b.get(page), http.StatusOK, "Half of the last 20 attempts failed, and none has succeeded since", "The next try is due now")
	b.wants(b.get("/"), http.StatusOK, "A webhook endpoint is failing")
	condition(controlplane.EndpointCondition{PausedUntil: w.clock.Now().Add(time.Hour)})
	b.wants(b.get(page), http.StatusOK, "asked us to wait (Retry-After)", "2026-03-01 13:00:00 UTC", "Paused")
	for reason, text := range map[controlplane.DisabledReason]string{
		controlplane.DisabledGone: "Your server answered 410 (gone), so", controlplane.DisabledFailing: "Nothing succeeded for five days",
	} {
		w.clock.pass(6 * 24 * time.Hour) // one that was enabled lately is not given up
		b := w.seat(s.users[controlplane.RoleOwner], controlplane.SessionActive, true)
		_, err := w.service.DisableEndpoint(t.Context(), controlplane.DeliveryActor(), controlplane.DisableEndpoint{MerchantID: e.MerchantID, EndpointID: e.ID, Reason: reason})
		w.must(err)
		b.wants(b.get(page), http.StatusOK, text, "Enable the endpoint")
		b.wants(w.as(s, controlplane.RoleViewer).get(page), http.StatusOK, text, "An owner or admin of your merchant account can enable it.")
		b.to(b.press(page, page+"/enable", nil), page)
	}
}

// Whoever is asked to confirm comes back to the very endpoint.
func TestConfirmationLeadsBackToTheEndpoint(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	b := w.inState(s.users[controlplane.RoleOwner], StateActive, false)
	page := "/test/webhooks/" + s.endpointID
	for target, back := range map[string]string{
		page + "/enable": "test.webhooks.endpoint~" + s.endpointID, page + "/disable": "test.webhooks.stop~" + s.endpointID,
		page + "/deliveries/" + s.deliveryID + "/replay": "test.webhooks.delivery~" + s.endpointID + "~" + s.deliveryID,
	} {
		b.to(b.post(target, nil), "/sudo?return_to="+back)
	}
	p := w.handler.(*portal)
	for text, want := range map[string]string{
		"test.webhooks.endpoint~" + s.endpointID: page, "test.webhooks.delivery~a~b": "/test/webhooks/a/deliveries/b",
		"test.webhooks.endpoint": "/", "test.webhooks.endpoint~": "/", "test.webhooks.endpoint~a~b": "/", "test.webhooks.delivery~a": "/",
		"test.webhooks.endpoint~..": "/", "test.webhooks.endpoint~a/../../evil": "/", "test.webhooks.endpoint~{id}": "/", "test.webhooks~a": "/",
		"test.webhooks.endpoint~" + strings.Repeat("a", 65): "/", "static~x": "/",
	} {
		if got := p.returnPath(text); got != want {
			t.Errorf("return_to %q leads to %q, want %q", text, got, want)
		}
	}
}
