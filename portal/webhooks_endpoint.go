package portal

import (
	"context"
	"net/http"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// testPatience is how long the test button waits for its result; after that
	// the page says that it waits, and can be loaded again.
	testPatience = 5 * time.Second
	// latestDeliveries is how many an endpoint's page shows; the log has all.
	latestDeliveries = 5
)

// webhookPage is one endpoint in full.
type webhookPage struct {
	endpointRow
	Env     controlplane.Environment
	Secrets []controlplane.EndpointSecret
	Test    *testResult
	// Latest are the newest deliveries.
	Latest  []deliveryRow
	Replays []controlplane.Replay
	Figures webhookFigures

	MayChange, MayTest, MayReplay bool
}

// testResult is what became of a press of the test button.
type testResult struct {
	Href string
	// Attempt is nil while it waits.
	Attempt *attemptView
	// Again is the address of the same page, for a look some time later.
	Again string
}

func showWebhook(x *exchange) error {
	e, err := x.endpoint()
	if err != nil {
		return err
	}
	page := webhookPage{
		endpointRow: x.endpointRow(e.EndpointView), Env: x.env(), Secrets: e.Secrets, Replays: e.Replays,
		Figures:   newWebhookFigures(e.Hours, e.Days, x.clock()),
		MayChange: x.offers("webhooks.update"), MayTest: x.offers("webhooks.test"), MayReplay: x.offers("webhooks.replay.start"),
	}
	if page.Test, err = x.testResult(e.ID); err != nil {
		return err
	}
	latest, err := x.service.ListDeliveries(x.ctx(), x.actor(), controlplane.DeliveryFilter{
		MerchantID: e.MerchantID, Environment: e.Environment, EndpointID: e.ID, Limit: latestDeliveries,
	})
	if err != nil {
		return err
	}
	for _, d := range latest {
		page.Latest = append(page.Latest, x.deliveryRow(d))
	}
	return x.render(http.StatusOK, "webhooks.endpoint", page)
}

// testQuery names the delivery of a test in the address of an endpoint's page.
const testQuery = "test"

// testWebhook sends a test event and leads to the endpoint's page, which shows the
// result: loading that page again sends nothing.
func testWebhook(x *exchange) error {
	ref, err := x.endpointRef()
	if err != nil {
		return err
	}
	d, err := x.service.TestEndpoint(x.ctx(), x.actor(), ref)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(x.ctx(), x.testPatience)
	defer cancel()
	if _, err := x.service.AwaitAttempt(ctx, x.actor(), controlplane.DeliveryRef{MerchantID: d.MerchantID, DeliveryID: d.ID}); err != nil && ctx.Err() == nil {
		return err
	}
	path, _ := fill(x.table.byName["webhooks.endpoint"].path(x.env()), ref.EndpointID)
	http.Redirect(x.w, x.r, path+"?"+testQuery+"="+d.ID+"#test", http.StatusSeeOther)
	return nil
}

// testResult is that of the test in the address, or nil. A delivery that is none
// of the endpoint's tests was not put there by us.
func (x *exchange) testResult(endpointID string) (*testResult, error) {
	id := x.query(testQuery)
	if id == "" {
		return nil, nil
	}
	found, err := x.service.Delivery(x.ctx(), x.actor(), controlplane.DeliveryRef{MerchantID: x.session.MerchantID, DeliveryID: id})
	if controlplane.CodeOf(err) == controlplane.CodeNotFound {
		return nil, nil
	}
	d := found.Delivery
	if err != nil || d.EndpointID != endpointID || d.Type != controlplane.EventWebhookTest {
		return nil, err
	}
	result := &testResult{Href: x.deliveryHref(d), Again: x.here(testQuery, d.ID) + "#test"}
	if n := len(found.Attempts); n > 0 {
		a := viewAttempt(found.Attempts[n-1])
		result.Attempt = &a
	}
	return result, nil
}
