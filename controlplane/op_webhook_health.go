package controlplane

import (
	"context"
	"time"
)

// WebhookHealthFilter selects the endpoints of a merchant in one environment.
type WebhookHealthFilter struct {
	MerchantID  string      `json:"merchant_id" validate:"required"`
	Environment Environment `json:"environment" validate:"required,env"`
}

// WebhookHealth is how all attempts to reach a merchant's endpoints came out, in the
// last seven days. Hours and days without attempts are left out.
type WebhookHealth struct {
	Hours []Health
	// Days are those of UTC, the present one included.
	Days []Health
}

// WebhookHealth sums up how the endpoints of a merchant do.
func (s *Service) WebhookHealth(ctx context.Context, a Actor, f WebhookHealthFilter) (WebhookHealth, error) {
	r := request{actor: a, op: OpEndpointList, merchantID: f.MerchantID, input: f}
	return read(ctx, s, r, func(tx Tx) (WebhookHealth, error) {
		const day = 24 * time.Hour
		buckets, err := tx.MerchantHealth(ctx, f.MerchantID, f.Environment, s.now().Truncate(day).Add(-6*day))
		return WebhookHealth{healthBy(time.Hour, buckets), healthBy(day, buckets)}, err
	})
}
