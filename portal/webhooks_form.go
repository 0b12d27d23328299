package portal

import (
	"errors"
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// webhookFormPage asks where and what to send: for a new endpoint, or one that is
// there.
type webhookFormPage struct {
	form
	Env controlplane.Environment
	// ID is that of the endpoint; empty for a new one.
	ID string
	// Every: all types, future ones too.
	Every  bool
	Events []option
}

func (p webhookFormPage) title() (string, []any) {
	if p.ID == "" {
		return "webhooks.form.new", nil
	}
	return "webhooks.form.edit", nil
}

// Lengths of what the form takes; the operation's own rules are stricter.
const (
	maxURLInput         = 2048
	maxDescriptionInput = 200
)

// webhookInput is what the form asks for.
type webhookInput struct {
	url, description string
	every            bool
	events           []controlplane.EventType
}

// Each type is a field of its own: forms of ours have no field twice.
const eventField = "event."

func (x *exchange) webhookInput() webhookInput {
	in := webhookInput{url: x.value("url"), description: x.value("description"), every: x.value("scope") == "every"}
	for _, t := range controlplane.EventTypes() {
		if x.value(eventField+string(t)) != "" {
			in.events = append(in.events, t)
		}
	}
	return in
}

// wanted are the types for the operation, where none means all.
func (in webhookInput) wanted() []controlplane.EventType {
	if in.every {
		return nil
	}
	return in.events
}

func (x *exchange) webhookForm(id string, in webhookInput) (webhookFormPage, error) {
	page := webhookFormPage{Env: x.env(), ID: id, Every: in.every}
	if id == "" {
		f, err := x.onceForm()
		if err != nil {
			return page, err
		}
		page.form = f
	}
	page.Fields = []field{
		{Name: "url", Label: "field.url", Hint: "field.url.hint", Type: "url", Value: in.url, Autocomplete: "off", Required: true, MaxLength: maxURLInput, Focus: in.url == ""},
		{Name: "events", Label: "field.events"},
		{Name: "description", Label: "field.description", Hint: "field.description.hint", Value: in.description, Autocomplete: "off", MaxLength: maxDescriptionInput},
	}
	for _, t := range controlplane.EventTypes() {
		chosen := controlplane.Endpoint{Events: in.events}.Wants(t) && len(in.events) > 0
		page.Events = append(page.Events, option{string(t), "event." + string(t), chosen})
	}
	return page, nil
}

func showNewWebhook(x *exchange) error {
	if err := x.mayChange(); err != nil {
		return err
	}
	return x.showWebhookForm("", webhookInput{every: true})
}

func (x *exchange) showWebhookForm(id string, in webhookInput) error {
	page, err := x.webhookForm(id, in)
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "webhooks.form", page)
}

func createWebhook(x *exchange) error {
	in := x.webhookInput()
	if !in.every && len(in.events) == 0 {
		return x.webhookFormRefused("", in, errNoEvents())
	}
	made, first, err := revealOnce(x, func() (controlplane.CreatedEndpoint, error) {
		return x.service.CreateEndpoint(x.ctx(), x.actor(), controlplane.CreateEndpoint{
			MerchantID: x.session.MerchantID, Environment: x.env(), URL: in.url, Events: in.wanted(), Description: in.description,
		})
	})
	switch {
	case err != nil:
		return x.webhookFormRefused("", in, err)
	case !first:
		return x.render(http.StatusConflict, "shown", shownPage{x.table.byName["webhooks"].path(x.env())})
	}
	return x.revealWebhookSecret(webhookSecretPage{Endpoint: made.Endpoint, Secret: made.Secret.Reveal(), New: true})
}

func showEditWebhook(x *exchange) error {
	e, err := x.changingEndpoint()
	if err != nil {
		return err
	}
	return x.showWebhookForm(e.ID, webhookInput{e.URL, e.Description, len(e.Events) == 0, e.Events})
}

func updateWebhook(x *exchange) error {
	e, err := x.endpointRef()
	if err != nil {
		return err
	}
	in := x.webhookInput()
	if !in.every && len(in.events) == 0 {
		return x.webhookFormRefused(e.EndpointID, in, errNoEvents())
	}
	_, err = x.service.UpdateEndpoint(x.ctx(), x.actor(), controlplane.UpdateEndpoint{
		MerchantID: e.MerchantID, EndpointID: e.EndpointID, URL: in.url, Events: in.wanted(), Description: in.description,
	})
	if err != nil {
		return x.webhookFormRefused(e.EndpointID, in, err)
	}
	return x.doneAt("webhook_saved", "webhooks.endpoint", e.EndpointID)
}

func errNoEvents() error {
	err := controlplane.InvalidField("events", "choose at least one")
	err.Fields[0].Rule = "no_events"
	return err
}

// webhookFormRefused shows the form again with what is wrong with it.
func (x *exchange) webhookFormRefused(id string, in webhookInput, cause error) error {
	page, err := x.webhookForm(id, in)
	if err != nil {
		return err
	}
	if status, problem := webhookProblem(cause); problem != "" {
		if page.Problem, err = x.text(problem, "n", controlplane.MaxEndpoints); err != nil {
			return err
		}
		x.cause = cause
		return x.render(status, "webhooks.form", page)
	}
	return x.putRight(&page.form, cause, func() error { return x.render(http.StatusUnprocessableEntity, "webhooks.form", page) })
}

// webhookProblem is the text for what is wrong with an endpoint as a whole; empty
// for other errors.
func webhookProblem(cause error) (status int, key string) {
	var e *controlplane.Error
	if !errors.As(cause, &e) || e.Err != nil || len(e.Fields) > 0 {
		return 0, ""
	}
	switch e.Code {
	case controlplane.CodeConflict:
		return http.StatusConflict, "webhooks.form.twice"
	case controlplane.CodeLimit:
		return http.StatusConflict, "webhooks.form.full"
	case controlplane.CodeUnavailable:
		// Neither engine nor check of URLs: a node that only serves pages.
		return http.StatusServiceUnavailable, "webhooks.form.unavailable"
	}
	return 0, ""
}
