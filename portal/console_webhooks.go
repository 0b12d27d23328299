package portal

import (
	"net/http"
	"net/url"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// merchantWebhooksPage shows staff how a merchant's endpoints do. It changes nothing:
// they are the merchant's.
type merchantWebhooksPage struct {
	merchantRow
	Tabs      []link
	Endpoints []endpointRow
	// Figures are of each environment in which anything was sent.
	Figures []webhookFigures
}

func (p merchantWebhooksPage) title() (string, []any) {
	return "merchants.webhooks.title", []any{"name", p.Name}
}

func showMerchantWebhooks(x *exchange) error {
	m, err := x.pathMerchant()
	if err != nil {
		return err
	}
	views, err := x.service.ListEndpoints(x.ctx(), x.actor(), controlplane.EndpointFilter{MerchantID: m.ID})
	if err != nil {
		return err
	}
	page := merchantWebhooksPage{merchantRow: x.merchantRow(m), Tabs: x.merchantTabs(m)}
	for _, v := range views {
		row := x.endpointRow(v)
		row.Href = x.at("merchants.deliveries", m.ID) + "?" + url.Values{"env": {string(v.Environment)}, "endpoint": {v.ID}}.Encode()
		page.Endpoints = append(page.Endpoints, row)
	}
	for _, env := range []controlplane.Environment{controlplane.Live, controlplane.Test} {
		f, err := x.webhookFigures(m.ID, env)
		if err != nil {
			return err
		}
		if f.Any() {
			page.Figures = append(page.Figures, f)
		}
	}
	return x.render(http.StatusOK, "merchants.webhooks", page)
}

// merchantDeliveriesPage is the delivery log of one environment, newest first.
type merchantDeliveriesPage struct {
	merchantRow
	Tabs  []link
	Sides []link
	Rows  []deliveryRow
	Older string
}

func (p merchantDeliveriesPage) title() (string, []any) {
	return "merchants.deliveries.title", []any{"name", p.Name}
}

func showMerchantDeliveries(x *exchange) error {
	m, err := x.pathMerchant()
	if err != nil {
		return err
	}
	env := controlplane.Environment(x.query("env"))
	if !env.Valid() {
		env = controlplane.Live
	}
	found, err := x.service.ListDeliveries(x.ctx(), x.actor(), controlplane.DeliveryFilter{
		MerchantID: m.ID, Environment: env, EndpointID: x.query("endpoint"), Before: x.query("before"), Limit: deliveriesPerPage + 1,
	})
	if err != nil {
		return err
	}
	page := merchantDeliveriesPage{merchantRow: x.merchantRow(m), Tabs: x.merchantTabs(m)}
	for _, side := range []controlplane.Environment{controlplane.Live, controlplane.Test} {
		page.Sides = append(page.Sides, link{Href: x.r.URL.Path + "?env=" + string(side), Name: string(side), Current: side == env})
	}
	if len(found) > deliveriesPerPage {
		found = found[:deliveriesPerPage]
		page.Older = x.here("before", found[deliveriesPerPage-1].ID)
	}
	for _, d := range found {
		page.Rows = append(page.Rows, deliveryRow{Delivery: d, Badge: deliveryBadge(d.State), Href: x.at("merchants.delivery", m.ID, d.ID)})
	}
	return x.render(http.StatusOK, "merchants.deliveries", page)
}

// merchantDeliveryPage is one delivery with its attempts. What was sent and what came
// back is the merchant's to read.
type merchantDeliveryPage struct {
	deliveryRow
	Merchant controlplane.Merchant
	Back     string
	Attempts []attemptView
}

func (p merchantDeliveryPage) title() (string, []any) {
	return "merchants.delivery.title", []any{"name", p.Merchant.Name}
}

func showMerchantDelivery(x *exchange) error {
	m, err := x.pathMerchant()
	if err != nil {
		return err
	}
	d, err := x.service.Delivery(x.ctx(), x.actor(), controlplane.DeliveryRef{MerchantID: m.ID, DeliveryID: x.r.PathValue("did")})
	if err != nil {
		return err
	}
	page := merchantDeliveryPage{
		deliveryRow: deliveryRow{Delivery: d.Delivery, Badge: deliveryBadge(d.Delivery.State)}, Merchant: m,
		Back: x.at("merchants.deliveries", m.ID) + "?env=" + string(d.Delivery.Environment),
	}
	for _, a := range d.Attempts {
		page.Attempts = append(page.Attempts, viewAttempt(a))
	}
	return x.render(http.StatusOK, "merchants.delivery", page)
}
