package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// webhookStopPage says what ends when an endpoint is disabled or deleted.
type webhookStopPage struct {
	endpointRow
	MayDelete bool
}

func showStopWebhook(x *exchange) error {
	e, err := x.changingEndpoint()
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "webhooks.stop", webhookStopPage{x.endpointRow(e.EndpointView), x.offers("webhooks.delete")})
}

// enableWebhook offers to replay what was held meanwhile.
func enableWebhook(x *exchange) error {
	ref, err := x.endpointRef()
	if err != nil {
		return err
	}
	enabled, err := x.service.EnableEndpoint(x.ctx(), x.actor(), ref)
	switch {
	case err != nil:
		return err
	case enabled.Held > 0 && x.offers("webhooks.replay"):
		return x.doneAt("webhook_enabled_held", "webhooks.replay", ref.EndpointID)
	}
	return x.doneAt("webhook_enabled", "webhooks.endpoint", ref.EndpointID)
}

func disableWebhook(x *exchange) error {
	ref, err := x.endpointRef()
	if err != nil {
		return err
	}
	_, err = x.service.DisableEndpoint(x.ctx(), x.actor(), controlplane.DisableEndpoint{MerchantID: ref.MerchantID, EndpointID: ref.EndpointID})
	if err != nil {
		return err
	}
	return x.doneAt("webhook_disabled", "webhooks.endpoint", ref.EndpointID)
}

// deleteWebhook deletes the endpoint that the form showed. If it leads elsewhere
// by now, the reader decided about something that is no more.
func deleteWebhook(x *exchange) error {
	e, err := x.endpoint()
	if err != nil {
		return err
	}
	switch x.value("url") {
	case e.URL:
	case "":
		return httpError{status: http.StatusBadRequest}
	default:
		return httpError{status: http.StatusConflict}
	}
	if _, err := x.service.DeleteEndpoint(x.ctx(), x.actor(), controlplane.EndpointRef{MerchantID: e.MerchantID, EndpointID: e.ID}); err != nil {
		return err
	}
	return x.done("webhook_deleted", "webhooks", x.env())
}
