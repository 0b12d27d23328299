package portal

import "github.com/unknownpay/merchant-gateway/controlplane"

// webhookRoutes are the pages about webhooks. The first segment after "webhooks"
// is an endpoint's id or one of a few words, which no id equals.
func webhookRoutes() []Route {
	return []Route{
		{Name: "webhooks", Method: get, Path: "/{env}/webhooks", States: StateActive, Operation: controlplane.OpEndpointList, Nav: "hook", handle: showWebhooks},
		{Name: "webhooks.new", Method: get, Path: "/{env}/webhooks/new", States: StateActive, Operation: controlplane.OpEndpointCreate, handle: showNewWebhook},
		{Name: "webhooks.create", Method: post, Path: "/{env}/webhooks/new", States: StateActive, Operation: controlplane.OpEndpointCreate, Form: "webhooks.new", handle: createWebhook},
		{Name: "webhooks.deliveries", Method: get, Path: "/{env}/webhooks/deliveries", States: StateActive, Operation: controlplane.OpDeliveryList, handle: showDeliveries},
		{Name: "webhooks.events", Method: get, Path: "/{env}/webhooks/events", States: StateActive, Operation: controlplane.OpEndpointList, handle: showEvents},
		{Name: "webhooks.verify", Method: get, Path: "/{env}/webhooks/verify", States: StateActive, Operation: controlplane.OpEndpointList, handle: showVerify},

		{Name: "webhooks.endpoint", Method: get, Path: "/{env}/webhooks/{id}", States: StateActive, Operation: controlplane.OpEndpointView, handle: showWebhook},
		{Name: "webhooks.test", Method: post, Path: "/{env}/webhooks/{id}/test", States: StateActive, Operation: controlplane.OpEndpointTest, Form: "webhooks.endpoint", handle: testWebhook},
		{Name: "webhooks.edit", Method: get, Path: "/{env}/webhooks/{id}/edit", States: StateActive, Operation: controlplane.OpEndpointUpdate, handle: showEditWebhook},
		{Name: "webhooks.update", Method: post, Path: "/{env}/webhooks/{id}/edit", States: StateActive, Operation: controlplane.OpEndpointUpdate, Form: "webhooks.edit", handle: updateWebhook},
		{Name: "webhooks.secret", Method: get, Path: "/{env}/webhooks/{id}/secret", States: StateActive, Operation: controlplane.OpEndpointSecret, handle: showWebhookSecret},
		{Name: "webhooks.secret.rotate", Method: post, Path: "/{env}/webhooks/{id}/secret", States: StateActive, Operation: controlplane.OpEndpointSecret, Form: "webhooks.secret", handle: rotateWebhookSecret},
		{Name: "webhooks.enable", Method: post, Path: "/{env}/webhooks/{id}/enable", States: StateActive, Operation: controlplane.OpEndpointEnable, Form: "webhooks.endpoint", handle: enableWebhook},
		{Name: "webhooks.stop", Method: get, Path: "/{env}/webhooks/{id}/stop", States: StateActive, Operation: controlplane.OpEndpointDisable, handle: showStopWebhook},
		{Name: "webhooks.disable", Method: post, Path: "/{env}/webhooks/{id}/disable", States: StateActive, Operation: controlplane.OpEndpointDisable, Form: "webhooks.stop", handle: disableWebhook},
		{Name: "webhooks.delete", Method: post, Path: "/{env}/webhooks/{id}/delete", States: StateActive, Operation: controlplane.OpEndpointDelete, Form: "webhooks.stop", handle: deleteWebhook},

		{Name: "webhooks.replay", Method: get, Path: "/{env}/webhooks/{id}/replay", States: StateActive, Operation: controlplane.OpDeliveryReplay, handle: showReplay},
		{Name: "webhooks.replay.start", Method: post, Path: "/{env}/webhooks/{id}/replay", States: StateActive, Operation: controlplane.OpDeliveryReplay, Form: "webhooks.replay", handle: startReplay},
		{Name: "webhooks.delivery", Method: get, Path: "/{env}/webhooks/{id}/deliveries/{did}", States: StateActive, Operation: controlplane.OpDeliveryView, handle: showDelivery},
		{Name: "webhooks.delivery.replay", Method: post, Path: "/{env}/webhooks/{id}/deliveries/{did}/replay", States: StateActive, Operation: controlplane.OpDeliveryReplay, Form: "webhooks.delivery", handle: replayDelivery},
	}
}
