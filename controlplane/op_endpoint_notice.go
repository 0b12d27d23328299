package controlplane

import (
	"context"
	"errors"
)

// NoteEndpoint writes down what an endpoint did by itself, and tells the merchant's
// people. Nobody asks for it: the delivery engine is the actor, and no permission is
// needed. What is true no longer, because the endpoint was disabled or deleted
// meanwhile, is passed over.
func (s *Service) NoteEndpoint(ctx context.Context, n EndpointNotice) error {
	r := request{actor: DeliveryActor(), op: n.operation(), merchantID: n.Endpoint.MerchantID}
	err := s.store.Update(ctx, func(tx Tx) error {
		e, err := tx.Endpoint(ctx, n.Endpoint.MerchantID, n.Endpoint.ID)
		if errors.Is(err, ErrNotFound) || err == nil && e.State != EndpointEnabled {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.audit(ctx, tx, r, record{target: e.ID, diff: n.diff()}, OutcomeOK, ""); err != nil {
			return err
		}
		return s.notifyEndpoint(ctx, tx, n)
	})
	if err != nil {
		return asError(err)
	}
	return nil
}

// operation is what the audit trail calls it.
func (n EndpointNotice) operation() Operation { return Operation("endpoint." + n.Kind) }

func (n EndpointNotice) diff() map[string]Change {
	switch n.Kind {
	case NoticeEndpointPaused:
		return map[string]Change{"paused_until": {To: n.PausedUntil}}
	case NoticeEndpointFailing:
		return map[string]Change{"failing_since": {To: n.Since}, "breaker": {To: n.Breaker}}
	case NoticeEndpointRecovered:
		return map[string]Change{"failing_since": {From: n.Since}}
	}
	return nil
}
