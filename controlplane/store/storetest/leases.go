package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func leaseContract() []contract {
	return []contract{
		{"claims are due ones, longest due first, of one lane", claimDue},
		{"the oldest is claimed whether due or not", func(k *kit) {
			e, all := k.deliveries(2)
			all[0].NextAt = At(500)
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateDelivery(ctx, all[0]) })
			same(k, claimed(k, controlplane.ClaimQuery{EndpointRow: e.Row, Limit: 1}), []string{all[0].ID})
		}},
		{"nothing is claimed for an endpoint that is not enabled, but tests while it is disabled", claimStopped},
		{"an outcome under a lost lease is refused", fencing},
		{"what was in flight is pending after a recovery", recovery},
		{"a lease is extended by its holder and by nobody else", extension},
		{"a delivery that is born leased is recovered when its lease has ended", func(k *kit) {
			e, all := k.deliveries(1)
			d := Delivery(e, controlplane.Event{Row: all[0].EventRow, ID: all[0].EventID}, 70)
			d.State, d.Lease, d.LeaseUntil = controlplane.DeliveryInflight, 1, At(50)
			k.delivery(d)
			recoverAll(k, At(49), 0)
			recoverAll(k, At(50), 1)
		}},
		{"of engines that claim at once, each gets others", claimsAtOnce},
		{"the queue is counted", func(k *kit) {
			e, all := k.deliveries(5)
			queue := func() (q controlplane.DeliveryQueue) {
				k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
					q, err = tx.DeliveryQueue(ctx)
					return err
				})
				return q
			}
			same(k, queue(), controlplane.DeliveryQueue{Pending: 5, OldestPending: all[0].CreatedAt})
			claim(k, controlplane.ClaimQuery{EndpointRow: e.Row, Limit: 1})
			same(k, queue(), controlplane.DeliveryQueue{Pending: 4, Inflight: 1, OldestPending: all[1].CreatedAt})
			claim(k, controlplane.ClaimQuery{EndpointRow: e.Row, Limit: 2})
			e.State = controlplane.EndpointDisabled
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				if err := tx.UpdateEndpoint(ctx, e); err != nil {
					return err
				}
				_, err := tx.SettleStopped(ctx, e.Row, At(1), 10)
				return err
			})
			same(k, queue(), controlplane.DeliveryQueue{Inflight: 3, Held: 2})
		}},
		{"what waits for a stopped endpoint is held or cancelled", settle},
		{"what is old goes in slices", retention},
	}
}

func claim(k *kit, q controlplane.ClaimQuery) (out controlplane.Claimed) {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
		out, err = tx.ClaimDeliveries(ctx, q)
		return err
	})
	return out
}

func claimed(k *kit, q controlplane.ClaimQuery) (ids []string) {
	k.Helper()
	for _, c := range claim(k, q).Claims {
		ids = append(ids, c.DeliveryID)
	}
	return ids
}

func claimDue(k *kit) {
	e, all := k.deliveries(5)
	all[0].NextAt = At(50)
	all[4].Lane = controlplane.LaneBulk
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		return errors.Join(tx.UpdateDelivery(ctx, all[0]), tx.UpdateDelivery(ctx, all[4]))
	})
	q := controlplane.ClaimQuery{EndpointRow: e.Row, Due: At(3), Until: At(90), Limit: 10}
	out := claim(k, q)
	want := []controlplane.Claim{}
	for _, d := range all[1:3] {
		want = append(want, controlplane.Claim{
			Row: d.Row, DeliveryID: d.ID, MerchantID: e.MerchantID, EndpointRow: e.Row, EventID: d.EventID, Body: []byte(fmt.Sprintf(`{"n":%d}`, d.Row)), Lease: 1, Until: q.Until,
		})
	}
	same(k, out, controlplane.Claimed{Claims: want, NextAt: At(4)})
	if s := findDelivery(k, all[1]).State; s != controlplane.DeliveryInflight {
		k.Fatalf("a claimed delivery is %s", s)
	}
	same(k, claim(k, q), controlplane.Claimed{NextAt: At(4)})
	q.Due, q.Bytes = At(90), 8 // one body has 7
	same(k, claimed(k, q), []string{all[3].ID})
	same(k, claimed(k, q), []string{all[0].ID})
	q.Bytes = 0
	q.Lane = controlplane.LaneBulk
	out = claim(k, q)
	if len(out.Claims) != 1 || out.Claims[0].Lane != controlplane.LaneBulk || !out.NextAt.IsZero() {
		k.Fatalf("%+v", out)
	}
}

func claimStopped(k *kit) {
	e, all := k.deliveries(2)
	all[1].Lane = controlplane.LaneTest
	set := func(s controlplane.EndpointState) {
		e.State = s
		k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateEndpoint(ctx, e) })
	}
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateDelivery(ctx, all[1]) })
	live := controlplane.ClaimQuery{EndpointRow: e.Row, Due: At(90), Limit: 9}
	test := live
	test.Lane = controlplane.LaneTest
	set(controlplane.EndpointDisabled)
	same(k, claim(k, live), controlplane.Claimed{})
	same(k, claimed(k, test), []string{all[1].ID})
	release(k, controlplane.Claim{Row: all[1].Row, Lease: 1}, true)
	set(controlplane.EndpointDeleted)
	same(k, claim(k, live), controlplane.Claimed{})
	same(k, claim(k, test), controlplane.Claimed{})
}

func release(k *kit, c controlplane.Claim, want bool) {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		done, err := tx.ReleaseDelivery(ctx, c)
		if err == nil && done != want {
			err = fmt.Errorf("released: %v", done)
		}
		return err
	})
}

func fencing(k *kit) {
	e, all := k.deliveries(1)
	q := controlplane.ClaimQuery{EndpointRow: e.Row, Due: At(90), Limit: 9}
	old := claim(k, q).Claims[0]
	recoverAll(k, At(0), 1)
	fresh := claim(k, q).Claims[0]
	if fresh.Lease <= old.Lease {
		k.Fatalf("lease %d after %d", fresh.Lease, old.Lease)
	}
	outcome := controlplane.AttemptOutcome{Claim: old, Attempt: controlplane.Attempt{Number: 1, At: At(5), Status: 200}, State: controlplane.DeliveryDelivered}
	finish(k, outcome, false)
	release(k, old, false)
	same(k, attempts(k, all[0]), nil)
	if s := findDelivery(k, all[0]).State; s != controlplane.DeliveryInflight {
		k.Fatalf("it is %s", s)
	}
	outcome.Claim = fresh
	finish(k, outcome, true)
	finish(k, outcome, false)
	release(k, fresh, false)
	d := findDelivery(k, all[0])
	if d.State != controlplane.DeliveryDelivered || d.FinishedAt != At(5) || d.FirstAttemptAt != At(5) {
		k.Fatalf("%+v", d)
	}
}

func recoverAll(k *kit, at time.Time, want int64) {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		n, err := tx.RecoverDeliveries(ctx, at)
		if err == nil && n != want {
			err = fmt.Errorf("recovered %d, not %d", n, want)
		}
		return err
	})
}

func recovery(k *kit) {
	e, all := k.deliveries(3)
	q := controlplane.ClaimQuery{EndpointRow: e.Row, Due: At(1), Limit: 9}
	claim(k, q)
	q.Due, q.Until = At(2), At(40)
	claim(k, q)
	recoverAll(k, At(39), 1) // the lease without an end is that of a process
	recoverAll(k, At(40), 1)
	recoverAll(k, At(99), 0)
	backlogs := read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Backlog, error) { return tx.Backlogs(ctx) })
	same(k, backlogs, []controlplane.Backlog{{EndpointRow: e.Row, MerchantID: e.MerchantID, NextAt: At(1)}})
	same(k, claimed(k, controlplane.ClaimQuery{EndpointRow: e.Row, Due: At(9), Limit: 9}), []string{all[0].ID, all[1].ID, all[2].ID})
}

func extension(k *kit) {
	e, all := k.deliveries(3)
	q := controlplane.ClaimQuery{EndpointRow: e.Row, Due: At(90), Until: At(40), Limit: 3}
	mine := claim(k, q).Claims
	same(k, mine[0].Until, At(40))
	finish(k, controlplane.AttemptOutcome{Claim: mine[0], Attempt: controlplane.Attempt{Number: 1, At: At(5), Status: 200}, State: controlplane.DeliveryDelivered}, true)
	release(k, mine[1], true)
	q.Limit = 1
	theirs := claim(k, q).Claims
	same(k, theirs[0].DeliveryID, all[1].ID)
	extend := func(claims []controlplane.Claim, until time.Time) (lost []controlplane.Claim) {
		k.Helper()
		k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
			lost, err = tx.ExtendLeases(ctx, claims, until)
			return err
		})
		return lost
	}
	same(k, extend(mine, At(60)), mine[:2])
	same(k, extend(nil, At(60)), nil)
	recoverAll(k, At(40), 1) // theirs, which nobody extended
	same(k, extend(theirs, At(60)), theirs)
	recoverAll(k, At(59), 0)
	recoverAll(k, At(60), 1)
	release(k, mine[2], false)
}

// claimsAtOnce has engines claim small portions of one backlog.
func claimsAtOnce(k *kit) {
	e, all := k.deliveries(60)
	var mu sync.Mutex
	holders := map[string]int{}
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			for empty := 0; empty < 3 && errs[i] == nil; {
				var got controlplane.Claimed
				errs[i] = k.store.Update(controlplane.Concurrent(k.Context()), func(tx controlplane.Tx) (err error) {
					got, err = tx.ClaimDeliveries(k.Context(), controlplane.ClaimQuery{EndpointRow: e.Row, Due: At(900), Until: At(990), Limit: 5})
					return err
				})
				if len(got.Claims) == 0 {
					empty++
				}
				mu.Lock()
				for _, c := range got.Claims {
					holders[c.DeliveryID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		k.Fatal(err)
	}
	for id, n := range holders {
		if n != 1 {
			k.Errorf("%s was claimed %d times", id, n)
		}
	}
	// What one engine was claiming, another may have passed over.
	rest := claimed(k, controlplane.ClaimQuery{EndpointRow: e.Row, Due: At(900), Limit: 60})
	same(k, len(holders)+len(rest), len(all))
}

func settle(k *kit) {
	e, all := k.deliveries(5)
	all[3].Lane = controlplane.LaneTest
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateDelivery(ctx, all[3]) })
	claim(k, controlplane.ClaimQuery{EndpointRow: e.Row, Due: At(1), Limit: 1}) // in flight: it ends by itself
	step := func(want int64) {
		k.Helper()
		k.must(func(ctx context.Context, tx controlplane.Tx) error {
			n, err := tx.SettleStopped(ctx, e.Row, At(70), 2)
			if err == nil && n != want {
				err = fmt.Errorf("settled %d, not %d", n, want)
			}
			return err
		})
	}
	states := func() (all5 []controlplane.DeliveryState) {
		for _, d := range all {
			all5 = append(all5, findDelivery(k, d).State)
		}
		return all5
	}
	set := func(s controlplane.EndpointState) {
		e.State = s
		k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateEndpoint(ctx, e) })
	}
	step(0)
	set(controlplane.EndpointDisabled)
	step(2)
	step(1)
	step(0)
	const held, inflight, pending, cancelled = controlplane.DeliveryHeld, controlplane.DeliveryInflight, controlplane.DeliveryPending, controlplane.DeliveryCancelled
	same(k, states(), []controlplane.DeliveryState{inflight, held, held, pending, held})
	n := read(k, func(ctx context.Context, tx controlplane.Tx) (int64, error) {
		return tx.CountHeld(ctx, e.MerchantID, e.Row)
	})
	same(k, n, 3)
	set(controlplane.EndpointDeleted)
	step(1)
	step(2)
	step(1)
	step(0)
	same(k, states(), []controlplane.DeliveryState{inflight, cancelled, cancelled, cancelled, cancelled})
}

func retention(k *kit) {
	e, all := k.deliveries(5)
	for i, d := range all[:4] {
		c := claim(k, controlplane.ClaimQuery{EndpointRow: e.Row, Due: At(90), Limit: 1}).Claims[0]
		a := controlplane.Attempt{Number: 1, At: At(i + 1), Status: 200, ResponseBody: []byte("thanks")}
		finish(k, controlplane.AttemptOutcome{Claim: c, Attempt: a, State: controlplane.DeliveryDelivered}, true)
		if c.DeliveryID != d.ID {
			k.Fatal("claimed out of order")
		}
	}
	purge := func(step func(controlplane.Tx, context.Context, controlplane.Purge) (controlplane.Purged, error), before, limit int) (out controlplane.Purged) {
		k.Helper()
		k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
			out, err = step(tx, ctx, controlplane.Purge{Before: At(before), Limit: limit})
			return err
		})
		return out
	}
	same(k, purge(controlplane.Tx.PurgeResponseBodies, 1, 2).Rows, 0)
	same(k, purge(controlplane.Tx.PurgeResponseBodies, 4, 2), controlplane.Purged{Rows: 2, More: true})
	same(k, purge(controlplane.Tx.PurgeResponseBodies, 4, 2).Rows, 1)
	same(k, len(attempts(k, all[2])[0].ResponseBody), 0)
	same(k, string(attempts(k, all[3])[0].ResponseBody), "thanks")
	same(k, purge(controlplane.Tx.PurgeEvents, 90, 10).Rows, 0) // their attempts are kept still
	same(k, purge(controlplane.Tx.PurgeAttempts, 4, 2), controlplane.Purged{Rows: 2, More: true})
	same(k, purge(controlplane.Tx.PurgeAttempts, 4, 2).Rows, 1)
	same(k, attempts(k, all[0]), nil)
	same(k, len(attempts(k, all[3])), 1)
	same(k, purge(controlplane.Tx.PurgeEvents, 3, 10), controlplane.Purged{Rows: 4, Last: all[1].EventRow})
	missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Event, error) {
		return tx.Event(ctx, e.MerchantID, all[1].EventID)
	})
	same(k, findDelivery(k, all[2]).ID, all[2].ID)
	same(k, purge(controlplane.Tx.PurgeEvents, 90, 10).Rows, 2) // the third, but not the one with an attempt or the one that waits
	same(k, findDelivery(k, all[4]).ID, all[4].ID)
}

func replayCandidates(k *kit) {
	e, all := k.deliveries(6)
	end := func(n int, s controlplane.DeliveryState, attempted bool) {
		d := all[n]
		if attempted {
			c := claim(k, controlplane.ClaimQuery{EndpointRow: e.Row, Due: d.NextAt, Limit: 1}).Claims[0]
			a := controlplane.Attempt{Number: 1, At: At(100 + n), Status: 500, Fault: controlplane.FaultStatus}
			finish(k, controlplane.AttemptOutcome{Claim: c, Attempt: a, State: s}, true)
			return
		}
		d.State = s
		k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateDelivery(ctx, d) })
	}
	end(0, controlplane.DeliveryExhausted, true)
	end(1, controlplane.DeliveryGone, true)
	end(2, controlplane.DeliveryDelivered, true)
	end(3, controlplane.DeliveryHeld, false)
	end(4, controlplane.DeliveryCancelled, false)
	r := controlplane.Replay{MerchantID: e.MerchantID, EndpointRow: e.Row, Kind: controlplane.ReplayFailed, Through: all[5].Row}
	candidates := func(r controlplane.Replay) (ids []string) {
		k.Helper()
		list := read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Delivery, error) {
			return tx.ReplayCandidates(ctx, r, 10)
		})
		for _, d := range list {
			ids = append(ids, d.ID)
		}
		n := read(k, func(ctx context.Context, tx controlplane.Tx) (int64, error) { return tx.CountReplayCandidates(ctx, r) })
		same(k, n, int64(len(ids)))
		return ids
	}
	same(k, candidates(r), []string{all[0].ID, all[1].ID})
	since := r
	since.Since = At(101)
	same(k, candidates(since), []string{all[1].ID})
	after := r
	after.Cursor = all[0].Row
	same(k, candidates(after), []string{all[1].ID})
	untried := r
	untried.Kind = controlplane.ReplayUntried
	same(k, candidates(untried), []string{all[3].ID})
	foreign := r
	foreign.MerchantID = "mer_x"
	same(k, candidates(foreign), nil)
	again := Delivery(e, controlplane.Event{Row: all[0].EventRow, ID: all[0].EventID}, 70)
	k.delivery(again)
	same(k, candidates(r), []string{all[1].ID})
}

func oneReplay(k *kit) {
	e := k.endpoint(Endpoint(k.merchants(1)[0].ID, 1))
	r := controlplane.Replay{
		ID: ID(controlplane.PrefixReplay, 1), MerchantID: e.MerchantID, EndpointRow: e.Row, EndpointID: e.ID, Kind: controlplane.ReplayFailed,
		Since: At(1), Cursor: 2, Through: 9, Deliveries: 1, CreatedAt: At(5), CreatedBy: "anna",
	}
	insert := func(r controlplane.Replay) error {
		return k.try(func(ctx context.Context, tx controlplane.Tx) (err error) {
			_, err = tx.InsertReplay(ctx, r)
			return err
		})
	}
	if err := insert(r); err != nil {
		k.Fatal(err)
	}
	second := r
	second.ID = ID(controlplane.PrefixReplay, 2)
	if err := insert(second); !errors.Is(err, controlplane.ErrDuplicate) {
		k.Fatal(err)
	}
	running := func(ctx context.Context, tx controlplane.Tx) (controlplane.Replay, error) {
		return tx.RunningReplay(ctx, e.MerchantID, e.Row, controlplane.ReplayFailed)
	}
	r = read(k, running)
	r.Cursor, r.Deliveries, r.FinishedAt = 9, 4, At(8)
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateReplay(ctx, r) })
	missing(k, running)
	list := func(merchantID string) []controlplane.Replay {
		return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Replay, error) {
			return tx.Replays(ctx, merchantID, e.Row, 5)
		})
	}
	same(k, list(e.MerchantID), []controlplane.Replay{r})
	same(k, list("mer_x"), nil)
	if err := insert(second); err != nil {
		k.Fatal(err)
	}
	all := read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Replay, error) {
		return tx.RunningReplays(ctx, 5)
	})
	if len(all) != 1 || all[0].ID != second.ID {
		k.Fatalf("%+v", all)
	}
}
