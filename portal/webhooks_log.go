package portal

import (
	"net/http"
	"slices"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// deliveriesPerPage keeps a full page under its weight.
const deliveriesPerPage = 20

// deliveriesPage is the delivery log of an environment, newest first. What is
// filtered is in the address, so that a view can be kept and passed on.
type deliveriesPage struct {
	form
	Env       controlplane.Environment
	Tabs      []link
	Endpoints []endpointChoice
	Rows      []deliveryRow
	Filtered  bool
	Empty     empty
	// Older is the address of the next page; empty on the last.
	Older string
}

// endpointChoice is one endpoint of the filter.
type endpointChoice struct {
	ID, URL string
	Chosen  bool
}

// deliveryRow is one delivery as the lists show it.
type deliveryRow struct {
	controlplane.Delivery
	Badge badge
	Href  string
	// URL is short; empty if the endpoint was deleted.
	URL string
}

func (x *exchange) deliveryHref(d controlplane.Delivery) string {
	path, _ := fill(x.table.byName["webhooks.delivery"].path(d.Environment), d.EndpointID)
	path, _ = fill(path, d.ID)
	return path
}

func (x *exchange) deliveryRow(d controlplane.Delivery) deliveryRow {
	return deliveryRow{Delivery: d, Badge: deliveryBadge(d.State), Href: x.deliveryHref(d)}
}

// Waits: it is for us to go on.
func (r deliveryRow) Waits() bool {
	return r.State == controlplane.DeliveryPending || r.State == controlplane.DeliveryInflight
}

func deliveryBadge(s controlplane.DeliveryState) badge {
	tone := map[controlplane.DeliveryState]string{
		controlplane.DeliveryDelivered: "good", controlplane.DeliveryPending: "warn", controlplane.DeliveryHeld: "warn",
		controlplane.DeliveryExhausted: "bad", controlplane.DeliveryGone: "bad",
	}[s]
	return badge{tone, "delivery.state." + string(s)}
}

func deliveryStates() []controlplane.DeliveryState {
	return []controlplane.DeliveryState{
		controlplane.DeliveryDelivered, controlplane.DeliveryPending, controlplane.DeliveryInflight, controlplane.DeliveryHeld,
		controlplane.DeliveryExhausted, controlplane.DeliveryGone, controlplane.DeliveryCancelled,
	}
}

// sentTypes are those of all deliveries there can be.
func sentTypes() []controlplane.EventType {
	return append(controlplane.EventTypes(), controlplane.EventWebhookTest)
}

func showDeliveries(x *exchange) error {
	endpoints, err := x.service.ListEndpoints(x.ctx(), x.actor(), controlplane.EndpointFilter{MerchantID: x.session.MerchantID, Environment: x.env()})
	if err != nil {
		return err
	}
	page := deliveriesPage{form: x.deliveryForm(), Env: x.env(), Tabs: x.webhookTabs(), Empty: empty{"hook", "deliveries.none", "deliveries.none.next"}}
	for _, e := range endpoints {
		page.Endpoints = append(page.Endpoints, endpointChoice{e.ID, shorten(e.URL, 60), e.ID == x.query("endpoint")})
	}
	for _, name := range []string{"endpoint", "type", "state", "since", "until", "event"} {
		page.Filtered = page.Filtered || x.query(name) != ""
	}
	if page.Filtered {
		page.Empty = empty{"hook", "audit.no_match", "deliveries.no_match.next"}
	}
	filter, err := x.deliveryFilter(&page.form)
	if err != nil {
		return err
	}
	if page.Failed() {
		return x.render(http.StatusUnprocessableEntity, "webhooks.deliveries", page)
	}
	found, err := x.service.ListDeliveries(x.ctx(), x.actor(), filter)
	if err != nil {
		return err
	}
	if len(found) > deliveriesPerPage {
		found = found[:deliveriesPerPage]
		page.Older = x.here("before", found[deliveriesPerPage-1].ID)
	}
	for _, d := range found {
		row := x.deliveryRow(d)
		if i := slices.IndexFunc(page.Endpoints, func(e endpointChoice) bool { return e.ID == d.EndpointID }); i >= 0 {
			row.URL = page.Endpoints[i].URL
		}
		page.Rows = append(page.Rows, row)
	}
	return x.render(http.StatusOK, "webhooks.deliveries", page)
}

// deliveryForm holds the filters as they were asked for.
func (x *exchange) deliveryForm() form {
	types := field{Name: "type", Label: "field.event_type", Options: []option{{"", "audit.any", true}}}
	for _, t := range sentTypes() {
		types.Options = append(types.Options, option{string(t), "event." + string(t), x.query("type") == string(t)})
	}
	states := field{Name: "state", Label: "field.delivery_state", Options: []option{{"", "audit.any", true}}}
	for _, s := range deliveryStates() {
		states.Options = append(states.Options, option{string(s), "delivery.state." + string(s), x.query("state") == string(s)})
	}
	return form{Fields: []field{
		types, states,
		{Name: "since", Label: "field.since_time", Type: "datetime-local", Value: x.query("since")},
		{Name: "until", Label: "field.until_time", Type: "datetime-local", Value: x.query("until")},
	}}
}

// deliveryFilter reads the filters; what is wrong with them is marked on the form.
// An error is a value that no form of ours sends.
func (x *exchange) deliveryFilter(f *form) (filter controlplane.DeliveryFilter, err error) {
	filter = controlplane.DeliveryFilter{
		MerchantID: x.session.MerchantID, Environment: x.env(), EndpointID: x.query("endpoint"), EventID: x.query("event"),
		Type: controlplane.EventType(x.query("type")), State: controlplane.DeliveryState(x.query("state")),
		Before: x.query("before"), Limit: deliveriesPerPage + 1,
	}
	if filter.Type != "" && !slices.Contains(sentTypes(), filter.Type) || filter.State != "" && !slices.Contains(deliveryStates(), filter.State) {
		return filter, httpError{status: http.StatusBadRequest}
	}
	if filter.Since, err = x.queryMoment(f, "since"); err != nil {
		return filter, err
	}
	filter.Until, err = x.queryMoment(f, "until")
	return filter, err
}

// momentInput is how browsers send the value of a datetime-local input. Ours are
// in UTC, and say so.
const momentInput = "2006-01-02T15:04"

// queryMoment reads a moment of the address; the zero time if there is none, or if
// the form is marked.
func (x *exchange) queryMoment(f *form, name string) (time.Time, error) {
	text := x.query(name)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{momentInput, "2006-01-02T15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil && at.Year() >= 2000 {
			return at, nil
		}
	}
	return time.Time{}, x.markField(f, name, "rule.moment")
}
