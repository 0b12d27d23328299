package controlplane

import (
	"context"
	"time"
)

// ListRequests lists logged requests of a merchant, newest first, without the
// strings to sign.
func (s *Service) ListRequests(ctx context.Context, a Actor, f RequestFilter) ([]LoggedRequest, error) {
	r := request{actor: a, op: OpRequestList, merchantID: f.MerchantID, input: f}
	return read(ctx, s, r, func(tx Tx) ([]LoggedRequest, error) {
		all, err := tx.Requests(ctx, f)
		for i := range all {
			all[i] = all[i].seenBy(a.Role)
		}
		return all, orNotFound(err, "request", f.Before)
	})
}

// seenBy leaves out, for who only looks on, what was signed: it may hold values that
// are none of their business. The hashes go with it, or a guess at the text or the
// body could be confirmed.
func (q LoggedRequest) seenBy(r Role) LoggedRequest {
	if r == RoleViewer || r == RoleAuditor {
		q.StringToSign, q.Why.StringCut = "", false
		q.Why.StringSHA256, q.Why.BodySHA256 = "", ""
	}
	return q
}

// Request returns one logged request, with what was signed for those who work with
// it: everybody but viewers and auditors.
func (s *Service) Request(ctx context.Context, a Actor, in RequestRef) (LoggedRequest, error) {
	r := request{actor: a, op: OpRequestView, merchantID: in.MerchantID, input: in}
	return read(ctx, s, r, func(tx Tx) (LoggedRequest, error) {
		q, err := tx.Request(ctx, in.MerchantID, in.RequestID)
		return q.seenBy(a.Role), orNotFound(err, "request", in.RequestID)
	})
}

// CountRequests returns how many requests of a merchant came when, and what became
// of them.
func (s *Service) CountRequests(ctx context.Context, a Actor, f RequestCountFilter) ([]RequestCount, error) {
	r := request{actor: a, op: OpRequestCount, merchantID: f.MerchantID, input: f}
	return read(ctx, s, r, func(tx Tx) ([]RequestCount, error) { return tx.RequestCounts(ctx, f) })
}

// UnknownRequests is the input of [Service.ListUnknownRequests].
type UnknownRequests struct {
	// Before is the request that ended the page before; empty starts at the newest.
	Before string `json:"before,omitempty" validate:"max=64"`
	// Limit is the number of rows, 1 to 1,000; 0 means 100.
	Limit int `json:"limit,omitempty" validate:"min=0,max=1000"`
}

// ListUnknownRequests lists what was refused without a key that is known, newest
// first: nobody's but the platform's, since anybody may have sent it.
func (s *Service) ListUnknownRequests(ctx context.Context, a Actor, in UnknownRequests) ([]LoggedRequest, error) {
	r := request{actor: a, op: OpRequestUnknown, input: in}
	return read(ctx, s, r, func(tx Tx) ([]LoggedRequest, error) {
		all, err := tx.UnknownRequests(ctx, in.Before, Page{Limit: in.Limit}.Rows())
		for i := range all {
			all[i] = all[i].seenBy(a.Role)
		}
		return all, orNotFound(err, "request", in.Before)
	})
}

// UnknownRequest returns one of [Service.ListUnknownRequests].
func (s *Service) UnknownRequest(ctx context.Context, a Actor, id string) (LoggedRequest, error) {
	return read(ctx, s, request{actor: a, op: OpRequestUnknown}, func(tx Tx) (LoggedRequest, error) {
		q, err := tx.Request(ctx, "", id)
		return q.seenBy(a.Role), orNotFound(err, "request", id)
	})
}

// RecordRequests writes down what a gateway saw. It is bookkeeping of the program
// itself, like [Service.RecordUse].
func (s *Service) RecordRequests(ctx context.Context, b RequestBatch) error {
	if b.Len() == 0 {
		return nil
	}
	return s.store.Update(Concurrent(ctx), func(tx Tx) error {
		for _, q := range b.Requests {
			if err := tx.InsertRequest(ctx, q); err != nil {
				return err
			}
		}
		for _, c := range b.Counts {
			if err := tx.AddRequestCount(ctx, c); err != nil {
				return err
			}
		}
		for _, addr := range b.Addresses {
			if err := tx.AddRequestAddress(ctx, addr); err != nil {
				return err
			}
		}
		return nil
	})
}

// requestSlice is how many rows one transaction deletes: others wait for the
// writer meanwhile.
const requestSlice = 1000

// PurgeRequests deletes one slice of each kind of row that is too old, and reports
// whether there may be more. It is bookkeeping too.
func (s *Service) PurgeRequests(ctx context.Context) (more bool, err error) {
	before := func(keep time.Duration) Purge { return Purge{Before: s.now().Add(-keep), Limit: requestSlice} }
	for _, step := range []func(Tx) (Purged, error){
		func(tx Tx) (Purged, error) { return tx.PurgeRequests(ctx, before(KeepRefusedRequests)) },
		func(tx Tx) (Purged, error) { return tx.PurgeAcceptedRequests(ctx, before(KeepAcceptedRequests)) },
		func(tx Tx) (Purged, error) { return tx.TrimRequests(ctx, MaxLoggedRequests, requestSlice) },
		func(tx Tx) (Purged, error) { return tx.PurgeRequestCounts(ctx, before(KeepRequestCounts)) },
		func(tx Tx) (Purged, error) { return tx.PurgeRequestAddresses(ctx, before(KeepRequestAddresses)) },
	} {
		var done Purged
		err := s.store.Update(Concurrent(ctx), func(tx Tx) (err error) {
			done, err = step(tx)
			return err
		})
		if err != nil {
			return false, err
		}
		more = more || done.More
	}
	return more, nil
}
