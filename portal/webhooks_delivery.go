package portal

import (
	"net/http"
	"strconv"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// deliveryPage is one delivery with its attempts, one of them in full.
type deliveryPage struct {
	deliveryRow
	Env      controlplane.Environment
	Body     excerpt
	Attempts []attemptView
	// Shown is the attempt in full; nil if there is none (any more).
	Shown *attemptView
	// EndpointState is empty if the endpoint was deleted.
	EndpointState controlplane.EndpointState
	MayReplay     bool
}

// Replayable: another delivery of the event could be made now.
func (p deliveryPage) Replayable() bool {
	return p.MayReplay && !p.Waits() && p.EndpointState == controlplane.EndpointEnabled
}

// Meaning is the text about the delivery's state: a test is not tried for 72 hours.
func (p deliveryPage) Meaning() string {
	text := "delivery.meaning." + string(p.State)
	if p.State == controlplane.DeliveryExhausted && p.Type == controlplane.EventWebhookTest {
		text += "_test"
	}
	return text
}

// delivery reads the delivery that the address names. One of another endpoint or
// environment is not found, like one of another merchant.
func (x *exchange) delivery() (controlplane.DeliveryDetail, error) {
	d, err := x.service.Delivery(x.ctx(), x.actor(), controlplane.DeliveryRef{MerchantID: x.session.MerchantID, DeliveryID: x.r.PathValue("did")})
	if err == nil && (d.Delivery.Environment != x.env() || d.Delivery.EndpointID != x.r.PathValue("id")) {
		err = controlplane.Errorf(controlplane.CodeNotFound, "no such delivery")
	}
	return d, err
}

func showDelivery(x *exchange) error {
	d, err := x.delivery()
	if err != nil {
		return err
	}
	page := deliveryPage{
		deliveryRow: x.deliveryRow(d.Delivery), Env: x.env(), Body: newExcerpt(d.Event.Body), MayReplay: x.offers("webhooks.delivery.replay"),
	}
	e, err := x.endpoint()
	if err != nil && controlplane.CodeOf(err) != controlplane.CodeNotFound {
		return err
	}
	page.URL, page.EndpointState = e.URL, e.State
	for _, a := range d.Attempts {
		page.Attempts = append(page.Attempts, viewAttempt(a))
	}
	page.show(x.query("attempt"))
	return x.render(http.StatusOK, "webhooks.delivery", page)
}

// show picks the attempt with a number, or else the last.
func (p *deliveryPage) show(number string) {
	for i := range p.Attempts {
		p.Shown = &p.Attempts[i]
		if strconv.Itoa(p.Shown.Number) == number {
			return
		}
	}
}

// replayDelivery leads to the delivery that takes the place of this one.
func replayDelivery(x *exchange) error {
	d, err := x.delivery()
	if err != nil {
		return err
	}
	again, err := x.service.ReplayDelivery(x.ctx(), x.actor(), controlplane.DeliveryRef{MerchantID: x.session.MerchantID, DeliveryID: d.Delivery.ID})
	if err != nil {
		return err
	}
	return x.doneAt("webhook_replayed", "webhooks.delivery", again.EndpointID, again.ID)
}
