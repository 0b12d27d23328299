package portal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// eventsPage says what is sent and when.
type eventsPage struct {
	Env    controlplane.Environment
	Tabs   []link
	Events []eventExample
}

// eventExample is one type with a body as it may arrive, spaced for reading.
type eventExample struct {
	Type controlplane.EventType
	Body string
}

// exampleData is what the data of each type may look like; the platform decides.
func exampleData() map[controlplane.EventType]string {
	return map[controlplane.EventType]string{
		controlplane.EventDepositSuccess:     `{"id":"dep_1042","reference":"order-7781","amount":125000,"currency":"THB"}`,
		controlplane.EventDepositExpired:     `{"id":"dep_1043","reference":"order-7782","amount":89000,"currency":"THB"}`,
		controlplane.EventWithdrawalSuccess:  `{"id":"wdr_311","reference":"payout-52","amount":500000,"currency":"THB"}`,
		controlplane.EventWithdrawalRejected: `{"id":"wdr_312","reference":"payout-53","amount":500000,"currency":"THB","reason":"account_name_mismatch"}`,
		controlplane.EventWithdrawalFailed:   `{"id":"wdr_313","reference":"payout-54","amount":500000,"currency":"THB","reason":"bank_unavailable"}`,
		controlplane.EventWithdrawalRefunded: `{"id":"wdr_313","reference":"payout-54","amount":500000,"currency":"THB"}`,
		controlplane.EventWebhookTest:        `{"endpoint_id":"wep_06h0j5apm7csb1cqv0df7w3zam"}`,
	}
}

// exampleBody puts data where the body of an event has it.
func exampleBody(t controlplane.EventType, env controlplane.Environment, data string) (string, error) {
	raw := fmt.Sprintf(`{"type":%q,"timestamp":"2026-01-01T00:00:00.000000Z","environment":%q,"data":%s}`, t, env, data)
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(raw), "", "  "); err != nil {
		return "", fmt.Errorf("example of %s: %w", t, err)
	}
	return b.String(), nil
}

func showEvents(x *exchange) error {
	page := eventsPage{Env: x.env(), Tabs: x.webhookTabs()}
	data := exampleData()
	for _, t := range sentTypes() {
		body, err := exampleBody(t, x.env(), data[t])
		if err != nil {
			return err
		}
		page.Events = append(page.Events, eventExample{t, body})
	}
	return x.render(http.StatusOK, "webhooks.events", page)
}

// verifyPage shows how to know that a webhook is ours.
type verifyPage struct {
	Tabs      []link
	Languages []sampleLink
	Sample    sample
}

func showVerify(x *exchange) error {
	page := verifyPage{Tabs: x.webhookTabs()}
	var q quickstartPage
	if err := q.choose(x.query("language"), x.r.URL.Path); err != nil {
		return err
	}
	page.Languages, page.Sample = q.Languages, q.Sample
	return x.render(http.StatusOK, "webhooks.verify", page)
}
