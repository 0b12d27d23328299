package controlplane

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// EventType names what happened. The names are part of the interface to
// merchants: they may be added to, never renamed.
type EventType string

const (
	EventDepositSuccess     EventType = "deposit.success"
	EventDepositExpired     EventType = "deposit.expired"
	EventWithdrawalSuccess  EventType = "withdrawal.success"
	EventWithdrawalRejected EventType = "withdrawal.rejected"
	EventWithdrawalFailed   EventType = "withdrawal.failed"
	EventWithdrawalRefunded EventType = "withdrawal.refunded"
	// EventWebhookTest is that of the test button. Nobody can subscribe to it, and
	// the platform cannot send it.
	EventWebhookTest EventType = "webhook.test"
)

// EventTypes are the types that the platform sends and merchants subscribe to.
func EventTypes() []EventType {
	return []EventType{
		EventDepositSuccess, EventDepositExpired,
		EventWithdrawalSuccess, EventWithdrawalRejected, EventWithdrawalFailed, EventWithdrawalRefunded,
	}
}

// Valid reports whether t is one of [EventTypes].
func (t EventType) Valid() bool { return slices.Contains(EventTypes(), t) }

// eventTypeNames is for messages.
func eventTypeNames() string {
	var names []string
	for _, t := range EventTypes() {
		names = append(names, string(t))
	}
	return strings.Join(names, " ")
}

// EndpointState says what becomes of an endpoint's events.
type EndpointState string

const (
	EndpointEnabled EndpointState = "enabled"
	// EndpointDisabled: its events are held, visible and replayable.
	EndpointDisabled EndpointState = "disabled"
	// EndpointDeleted: it gets no events, and what waited for it is cancelled. Its
	// row stays, because its deliveries refer to it.
	EndpointDeleted EndpointState = "deleted"
)

// DisabledReason says why an endpoint is disabled.
type DisabledReason string

const (
	// DisabledByHand: somebody asked for it.
	DisabledByHand DisabledReason = "by_hand"
	// DisabledGone: it answered 410.
	DisabledGone DisabledReason = "gone"
	// DisabledFailing: see [EndpointCondition.Dead].
	DisabledFailing DisabledReason = "failing"
)

// MaxEndpoints is how many endpoints a merchant has in one environment.
const MaxEndpoints = 16

// Endpoint is where a merchant's events of one environment are sent.
type Endpoint struct {
	// Row is how deliveries refer to it, inside the program.
	Row         int64       `json:"-"`
	ID          string      `json:"id"`
	MerchantID  string      `json:"merchant_id"`
	Environment Environment `json:"environment"`
	URL         string      `json:"url"`
	// Events are the types it gets; empty means every type, future ones too.
	Events         []EventType    `json:"events"`
	Description    string         `json:"description"`
	State          EndpointState  `json:"state"`
	DisabledReason DisabledReason `json:"disabled_reason,omitempty"`
	DisabledAt     time.Time      `json:"disabled_at,omitzero"`
	// EnabledAt is when it was made or last enabled.
	EnabledAt time.Time `json:"enabled_at"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Wants reports whether the endpoint subscribes to the type.
func (e Endpoint) Wants(t EventType) bool { return len(e.Events) == 0 || slices.Contains(e.Events, t) }

// EndpointSecret is a signing secret of an endpoint, without the secret.
type EndpointSecret struct {
	ID         string `json:"id"`
	EndpointID string `json:"endpoint_id"`
	MerchantID string `json:"merchant_id"`
	// Environment is the endpoint's.
	Environment Environment `json:"environment"`
	CreatedAt   time.Time   `json:"created_at"`
	// ExpiresAt is when a replaced secret stops signing; zero for the current one.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// SignsAt reports whether deliveries are signed with the secret at a moment.
func (s EndpointSecret) SignsAt(now time.Time) bool {
	return s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt)
}

// WebhookSecretPrefix begins every signing secret, as Standard Webhooks 1.0.0 has
// it.
const WebhookSecretPrefix = "whsec_"

// newWebhookSecret returns "whsec_" and the base64 of 32 random bytes, which are
// the key.
func newWebhookSecret(random io.Reader) (Secret, error) {
	var raw [secretBytes]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return Secret{}, fmt.Errorf("read randomness for a signing secret: %w", err)
	}
	return NewSecret(WebhookSecretPrefix + base64.StdEncoding.EncodeToString(raw[:])), nil
}

// maxURL bounds the URL of an endpoint, in bytes.
const maxURL = 2048

// checkWebhookURL holds a URL against what is true of every endpoint: https, and
// no credentials, which would be shown to everyone who may see the page. Where
// it leads is judged by the same check that sending uses; see [Parts.CheckURL].
func checkWebhookURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case len(raw) > maxURL:
		return InvalidField("url", "must be at most %d bytes long", maxURL).because("url_long", "n", strconv.Itoa(maxURL))
	case err != nil || u.Host == "" || u.Hostname() == "" || !printable(raw, 1, maxURL) || strings.ContainsRune(raw, ' '):
		return InvalidField("url", "must be a URL such as https://shop.example.com/webhooks").because("url_form")
	case u.Scheme != "https":
		return InvalidField("url", "must begin with https://").because("url_https")
	case u.User != nil:
		return InvalidField("url", "must not contain a user name or password; the signature proves who sent a request").because("url_user")
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return InvalidField("url", "must not have a fragment (#…): it is never sent").because("url_fragment")
	}
	return nil
}

// PurposeWebhookSecret is the data key of signing secrets.
const PurposeWebhookSecret = "webhook_secret"

// EndpointSecretLocation is where a signing secret is stored.
func EndpointSecretLocation(s EndpointSecret) SecretLocation {
	return SecretLocation{Table: "endpoint_secrets", Column: "secret", Row: s.ID, Merchant: s.MerchantID, Environment: s.Environment}
}
