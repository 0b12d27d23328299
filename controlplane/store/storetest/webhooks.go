package storetest

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func webhookContract() []contract {
	return []contract{
		{"every field of an endpoint comes back", func(k *kit) {
			e := Endpoint(k.merchants(1)[0].ID, 1)
			e.Events = []controlplane.EventType{controlplane.EventDepositSuccess, controlplane.EventWithdrawalFailed}
			e.State, e.DisabledReason, e.DisabledAt = controlplane.EndpointDisabled, controlplane.DisabledGone, At(8)
			e = k.endpoint(e)
			same(k, findEndpoint(k, e), e)
			e.URL, e.Events, e.Description, e.State, e.DisabledReason = "https://b.example/", nil, "new", controlplane.EndpointEnabled, ""
			e.DisabledAt, e.EnabledAt, e.UpdatedAt = time.Time{}, At(20), At(21)
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateEndpoint(ctx, e) })
			same(k, findEndpoint(k, e), e)
		}},
		{"endpoints of another merchant, and deleted ones, are not found", foreignEndpoints},
		{"secrets are listed the current one first", endpointSecrets},
		{"an idempotency key makes one event", func(k *kit) {
			m := k.merchants(1)[0].ID
			first := k.event(Event(m, 1))
			again := Event(m, 2)
			again.KeyHash = first.KeyHash
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				got, fresh, err := tx.InsertEvent(ctx, again)
				if err == nil && (fresh || got.ID != first.ID || got.ContentHash != first.ContentHash) {
					err = fmt.Errorf("a second event %v: %+v", fresh, got)
				}
				return err
			})
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Event, error) {
				return tx.Event(ctx, m, again.ID)
			})
			same(k, read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Event, error) {
				return tx.Event(ctx, m, first.ID)
			}), first)
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error {
				_, _, err := tx.InsertEvent(ctx, Event("mer_x", 3))
				return err
			})
		}},
		{"every field of a delivery and its attempts comes back", deliveryFields},
		{"deliveries of another merchant are not found", foreignDeliveries},
		{"listings are filtered and paged", deliveryListings},
		{"the health of an endpoint adds up", endpointHealth},
		{"service tokens are found by hash", serviceTokens},
		{"bulk replays take each event once", replayCandidates},
		{"one bulk replay of a kind runs at a time", oneReplay},
	}
}

// Endpoint is the nth endpoint of the fixtures.
func Endpoint(merchantID string, n int) controlplane.Endpoint {
	return controlplane.Endpoint{
		ID: ID(controlplane.PrefixEndpoint, n), MerchantID: merchantID, Environment: controlplane.Live, URL: fmt.Sprintf("https://%d.example/hook", n),
		Description: "shop", State: controlplane.EndpointEnabled, EnabledAt: At(n), CreatedAt: At(n), CreatedBy: "anna", UpdatedAt: At(n),
	}
}

// Event is the nth event of the fixtures.
func Event(merchantID string, n int) controlplane.Event {
	e := controlplane.Event{
		ID: ID(controlplane.PrefixEvent, n), MerchantID: merchantID, Environment: controlplane.Live, Type: controlplane.EventDepositSuccess,
		Body: []byte(fmt.Sprintf(`{"n":%d}`, n)), CreatedAt: At(n),
	}
	copy(e.KeyHash[:], e.ID)
	copy(e.ContentHash[:], "content "+e.ID)
	return e
}

// Delivery is the nth delivery of the fixtures, due when it was made.
func Delivery(e controlplane.Endpoint, v controlplane.Event, n int) controlplane.Delivery {
	return controlplane.Delivery{
		ID: ID(controlplane.PrefixDelivery, n), MerchantID: e.MerchantID, Environment: e.Environment, EndpointRow: e.Row, EndpointID: e.ID,
		EventRow: v.Row, EventID: v.ID, Type: v.Type, State: controlplane.DeliveryPending, CreatedAt: At(n), NextAt: At(n),
	}
}

func (k *kit) endpoint(e controlplane.Endpoint) controlplane.Endpoint {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
		e, err = tx.InsertEndpoint(ctx, e)
		return err
	})
	return e
}

func (k *kit) event(v controlplane.Event) controlplane.Event {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
		v, _, err = tx.InsertEvent(ctx, v)
		return err
	})
	return v
}

func (k *kit) delivery(d controlplane.Delivery) controlplane.Delivery {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
		d.Row, err = tx.InsertDelivery(ctx, d)
		return err
	})
	return d
}

// deliveries makes n events with a delivery each to a new endpoint of a new
// merchant.
func (k *kit) deliveries(n int) (controlplane.Endpoint, []controlplane.Delivery) {
	k.Helper()
	e := k.endpoint(Endpoint(k.merchants(1)[0].ID, 1))
	all := make([]controlplane.Delivery, n)
	for i := range all {
		all[i] = k.delivery(Delivery(e, k.event(Event(e.MerchantID, i+1)), i+1))
	}
	return e, all
}

func findEndpoint(k *kit, e controlplane.Endpoint) controlplane.Endpoint {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Endpoint, error) {
		return tx.Endpoint(ctx, e.MerchantID, e.ID)
	})
}

func findDelivery(k *kit, d controlplane.Delivery) controlplane.Delivery {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Delivery, error) {
		return tx.Delivery(ctx, d.MerchantID, d.ID)
	})
}

func listEndpoints(k *kit, merchantID string, env controlplane.Environment) []controlplane.Endpoint {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Endpoint, error) {
		return tx.Endpoints(ctx, merchantID, env)
	})
}

func foreignEndpoints(k *kit) {
	ms := k.merchants(2)
	live := k.endpoint(Endpoint(ms[0].ID, 1))
	other := Endpoint(ms[0].ID, 2)
	other.Environment = controlplane.Test
	other = k.endpoint(other)
	missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Endpoint, error) {
		return tx.Endpoint(ctx, ms[1].ID, live.ID)
	})
	foreign := live
	foreign.MerchantID = ms[1].ID
	k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateEndpoint(ctx, foreign) })
	same(k, listEndpoints(k, ms[1].ID, ""), nil)
	same(k, listEndpoints(k, ms[0].ID, ""), []controlplane.Endpoint{live, other})
	same(k, listEndpoints(k, ms[0].ID, controlplane.Test), []controlplane.Endpoint{other})
	subscribers := func(merchantID string) []controlplane.Endpoint {
		return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Endpoint, error) {
			return tx.Subscribers(ctx, merchantID, controlplane.Test)
		})
	}
	same(k, subscribers(ms[0].ID), []controlplane.Endpoint{{
		Row: other.Row, ID: other.ID, MerchantID: other.MerchantID, Environment: other.Environment, Events: other.Events, State: other.State,
	}})
	same(k, subscribers(ms[1].ID), nil)
	live.State = controlplane.EndpointDeleted
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateEndpoint(ctx, live) })
	missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Endpoint, error) {
		return tx.Endpoint(ctx, ms[0].ID, live.ID)
	})
	same(k, listEndpoints(k, ms[0].ID, ""), []controlplane.Endpoint{other})
	k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateEndpoint(ctx, live) })
}

func endpointSecrets(k *kit) {
	ms := k.merchants(2)
	e := k.endpoint(Endpoint(ms[0].ID, 1))
	secret := func(n int) controlplane.EndpointSecret {
		return controlplane.EndpointSecret{
			ID: ID(controlplane.PrefixEndpointSecret, n), EndpointID: e.ID, MerchantID: e.MerchantID, Environment: e.Environment, CreatedAt: At(n),
		}
	}
	insert := func(s controlplane.EndpointSecret) func(ctx context.Context, tx controlplane.Tx) error {
		return func(ctx context.Context, tx controlplane.Tx) error {
			return tx.InsertEndpointSecret(ctx, s, []byte("sealed "+s.ID))
		}
	}
	old, current := secret(1), secret(2)
	k.must(insert(old))
	k.wants(controlplane.ErrDuplicate, insert(current))
	old.ExpiresAt = At(99)
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.ExpireEndpointSecret(ctx, old) })
	k.must(insert(current))
	foreign := secret(3)
	foreign.MerchantID = ms[1].ID
	k.wants(controlplane.ErrNotFound, insert(foreign))
	k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error {
		return tx.DeleteEndpointSecret(ctx, ms[1].ID, old.ID)
	})
	list := func(merchantID string) []controlplane.EndpointSecret {
		return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.EndpointSecret, error) {
			return tx.EndpointSecrets(ctx, merchantID, e.ID)
		})
	}
	same(k, list(ms[0].ID), []controlplane.EndpointSecret{current, old})
	same(k, list(ms[1].ID), nil)
	target := read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.DeliveryTarget, error) {
		return tx.EndpointTarget(ctx, e.Row)
	})
	same(k, target, controlplane.DeliveryTarget{Endpoint: e, Secrets: []controlplane.SealedEndpointSecret{
		{EndpointSecret: current, Record: []byte("sealed " + current.ID)}, {EndpointSecret: old, Record: []byte("sealed " + old.ID)},
	}})
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		return tx.DeleteEndpointSecret(ctx, ms[0].ID, old.ID)
	})
	same(k, list(ms[0].ID), []controlplane.EndpointSecret{current})
}

func deliveryFields(k *kit) {
	e := k.endpoint(Endpoint(k.merchants(1)[0].ID, 1))
	d := Delivery(e, k.event(Event(e.MerchantID, 1)), 1)
	d.State, d.Lane, d.ReplayOf, d.Lease = controlplane.DeliveryInflight, controlplane.LaneBulk, ID(controlplane.PrefixDelivery, 9), 1
	d = k.delivery(d)
	same(k, findDelivery(k, d), d)
	a := controlplane.Attempt{
		Number: 1, At: At(5), Fault: controlplane.FaultStatus, Detail: "the answer was 500", Status: 500, Address: netip.MustParseAddrPort("192.0.2.1:443"),
		Phases:        controlplane.Phases{DNS: 1000, Connect: 2000, TLS: 3000, FirstByte: 4000, Total: 10_000_000},
		RequestHeader: []controlplane.Header{{Name: "webhook-id", Value: d.EventID}}, ResponseHeader: []controlplane.Header{{Name: "Date", Value: "x"}},
		ResponseBody: []byte("oops"), BodyCut: true,
	}
	finish(k, controlplane.AttemptOutcome{Claim: controlplane.Claim{Row: d.Row, Lease: 1}, Attempt: a, State: controlplane.DeliveryPending, NextAt: At(10)}, true)
	d.State, d.Attempts, d.NextAt, d.FirstAttemptAt, d.LastAttemptAt, d.LastStatus, d.LastFault = controlplane.DeliveryPending, 1, At(10), At(5), At(5), 500, a.Fault
	same(k, findDelivery(k, d), d)
	same(k, attempts(k, d), []controlplane.Attempt{a})
	d.State, d.Lane, d.NextAt, d.FirstAttemptAt, d.FinishedAt = controlplane.DeliveryCancelled, controlplane.LaneLive, At(11), At(12), At(13)
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateDelivery(ctx, d) })
	same(k, findDelivery(k, d), d)
}

func finish(k *kit, o controlplane.AttemptOutcome, want bool) {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		done, err := tx.FinishAttempt(ctx, o)
		if err == nil && done != want {
			err = fmt.Errorf("the attempt of lease %d was taken: %v", o.Claim.Lease, done)
		}
		return err
	})
}

func attempts(k *kit, d controlplane.Delivery) []controlplane.Attempt {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Attempt, error) {
		return tx.Attempts(ctx, d.MerchantID, d.ID)
	})
}

func foreignDeliveries(k *kit) {
	e, all := k.deliveries(1)
	d := all[0]
	other := Merchant(2)
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertMerchant(ctx, other) })
	missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Delivery, error) {
		return tx.Delivery(ctx, other.ID, d.ID)
	})
	missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Event, error) {
		return tx.Event(ctx, other.ID, d.EventID)
	})
	missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Delivery, error) {
		return tx.NewestDelivery(ctx, other.ID, d.EventRow, e.Row)
	})
	foreign := d
	foreign.MerchantID = other.ID
	k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateDelivery(ctx, foreign) })
	same(k, attempts(k, foreign), nil)
	for _, f := range []controlplane.DeliveryFilter{{}, {EndpointID: e.ID}, {EventID: d.EventID}} {
		f.MerchantID, f.Environment = other.ID, controlplane.Live
		same(k, listDeliveries(k, f), nil)
	}
	missing(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Delivery, error) {
		return tx.Deliveries(ctx, controlplane.DeliveryFilter{MerchantID: other.ID, Environment: controlplane.Live, Before: d.ID})
	})
	same(k, findDelivery(k, d), d)
}

func listDeliveries(k *kit, f controlplane.DeliveryFilter) (ids []string) {
	k.Helper()
	for _, d := range read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Delivery, error) {
		return tx.Deliveries(ctx, f)
	}) {
		ids = append(ids, d.ID)
	}
	return ids
}

func deliveryListings(k *kit) {
	e, all := k.deliveries(6)
	withdrawal := Event(e.MerchantID, 50)
	withdrawal.Type = controlplane.EventWithdrawalFailed
	withdrawal = k.event(withdrawal)
	second := k.endpoint(Endpoint(e.MerchantID, 2))
	held := Delivery(e, withdrawal, 7)
	held.State = controlplane.DeliveryHeld
	all = append(all, k.delivery(held), k.delivery(Delivery(second, withdrawal, 8)))
	ids := func(ns ...int) (list []string) {
		for _, n := range ns {
			list = append(list, all[n-1].ID)
		}
		return list
	}
	for _, c := range []struct {
		f    controlplane.DeliveryFilter
		want []string
	}{
		{controlplane.DeliveryFilter{}, ids(8, 7, 6, 5, 4, 3, 2, 1)},
		{controlplane.DeliveryFilter{Limit: 2}, ids(8, 7)},
		{controlplane.DeliveryFilter{Limit: 2, Before: all[6].ID}, ids(6, 5)},
		{controlplane.DeliveryFilter{EndpointID: e.ID, Limit: 3}, ids(7, 6, 5)},
		{controlplane.DeliveryFilter{EndpointID: second.ID}, ids(8)},
		{controlplane.DeliveryFilter{EventID: withdrawal.ID}, ids(8, 7)},
		{controlplane.DeliveryFilter{EndpointID: e.ID, EventID: withdrawal.ID}, ids(7)},
		{controlplane.DeliveryFilter{Type: controlplane.EventWithdrawalFailed}, ids(8, 7)},
		{controlplane.DeliveryFilter{State: controlplane.DeliveryHeld}, ids(7)},
		{controlplane.DeliveryFilter{Since: At(3), Until: At(6)}, ids(5, 4, 3)},
		{controlplane.DeliveryFilter{Since: At(100)}, nil},
		{controlplane.DeliveryFilter{Until: At(0)}, nil},
	} {
		c.f.MerchantID, c.f.Environment = e.MerchantID, controlplane.Live
		same(k, listDeliveries(k, c.f), c.want)
		c.f.Environment = controlplane.Test
		same(k, listDeliveries(k, c.f), nil)
	}
}

func endpointHealth(k *kit) {
	e := k.endpoint(Endpoint(k.merchants(1)[0].ID, 1))
	hour := At(0).Truncate(time.Hour)
	add := func(after time.Duration, bucket int, n int64) {
		b := controlplane.HealthBucket{EndpointRow: e.Row, Hour: hour.Add(after), Bucket: bucket, Count: n}
		k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.AddHealth(ctx, b) })
	}
	add(time.Hour, 7, 2)
	add(0, 0, 1)
	add(time.Hour, 7, 3)
	get := func(merchantID string, since time.Time) []controlplane.HealthBucket {
		return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.HealthBucket, error) {
			return tx.EndpointHealth(ctx, merchantID, e.Row, since)
		})
	}
	later := controlplane.HealthBucket{EndpointRow: e.Row, Hour: hour.Add(time.Hour), Bucket: 7, Count: 5}
	same(k, get(e.MerchantID, hour), []controlplane.HealthBucket{{EndpointRow: e.Row, Hour: hour, Count: 1}, later})
	same(k, get(e.MerchantID, hour.Add(time.Microsecond)), []controlplane.HealthBucket{later})
	same(k, get("mer_x", hour), nil)
	healthOfMerchant(k, e, hour)

	condition := func(merchantID string) controlplane.EndpointCondition {
		return read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.EndpointCondition, error) {
			return tx.EndpointCondition(ctx, merchantID, e.Row)
		})
	}
	unhealthy := func(at time.Time) []controlplane.EndpointCondition {
		return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.EndpointCondition, error) {
			return tx.UnhealthyEndpoints(ctx, at)
		})
	}
	c := controlplane.EndpointCondition{EndpointRow: e.Row, MerchantID: e.MerchantID}
	same(k, condition(e.MerchantID), c)
	c.LastSuccessAt, c.LastAttemptAt, c.FailingSince, c.Failures, c.FailingEvents, c.PausedUntil = At(1), At(2), At(3), 4, []string{"evt_1", "evt_2"}, At(9)
	c.Breaker, c.ProbeAt, c.Told = controlplane.BreakerHalf, At(7), At(3)
	save := func() {
		k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.SaveEndpointCondition(ctx, c) })
	}
	save()
	same(k, condition(e.MerchantID), c)
	same(k, unhealthy(At(50)), []controlplane.EndpointCondition{c})
	newest := c
	c.LastSuccessAt, c.LastAttemptAt = time.Time{}, At(1) // another engine knows less
	save()
	c = newest
	same(k, condition(e.MerchantID), c)
	c.Recover()
	save()
	same(k, unhealthy(At(50)), []controlplane.EndpointCondition{c})
	c.Told = time.Time{}
	save()
	same(k, unhealthy(At(8)), []controlplane.EndpointCondition{c})
	same(k, unhealthy(At(9)), nil)
	e.State = controlplane.EndpointDeleted
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateEndpoint(ctx, e) })
	same(k, unhealthy(At(8)), nil)
	same(k, condition("mer_x"), controlplane.EndpointCondition{EndpointRow: e.Row, MerchantID: "mer_x"})
}

func serviceTokens(k *kit) {
	token := controlplane.ServiceToken{ID: ID(controlplane.PrefixServiceToken, 1), Name: "ledger", CreatedAt: At(1), CreatedBy: "sam", Hash: [32]byte{1, 2}}
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertServiceToken(ctx, token) })
	k.wants(controlplane.ErrDuplicate, func(ctx context.Context, tx controlplane.Tx) error {
		return tx.InsertServiceToken(ctx, controlplane.ServiceToken{ID: "svt_2", Hash: token.Hash})
	})
	find := func(ctx context.Context, tx controlplane.Tx) (controlplane.ServiceToken, error) {
		return tx.ServiceTokenByHash(ctx, token.Hash)
	}
	same(k, read(k, find), token)
	missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.ServiceToken, error) {
		return tx.ServiceTokenByHash(ctx, [32]byte{9})
	})
	token.RevokedAt, token.LastUsedAt = At(5), At(6)
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		if err := tx.UpdateServiceToken(ctx, token); err != nil {
			return err
		}
		if err := tx.SaveServiceTokenUse(ctx, token.ID, At(6)); err != nil {
			return err
		}
		return tx.SaveServiceTokenUse(ctx, token.ID, At(4))
	})
	same(k, read(k, find), token)
	same(k, read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.ServiceToken, error) {
		return tx.ServiceTokens(ctx)
	}), []controlplane.ServiceToken{token})
}

// healthOfMerchant: the counts of all endpoints of an environment are added up, hour
// by hour. e has one failure in the hour and five successes in the next.
func healthOfMerchant(k *kit, e controlplane.Endpoint, hour time.Time) {
	second, tests := Endpoint(e.MerchantID, 2), Endpoint(e.MerchantID, 3)
	second.Environment, tests.Environment = e.Environment, controlplane.Test
	second, tests = k.endpoint(second), k.endpoint(tests)
	for row, n := range map[int64]int64{second.Row: 10, tests.Row: 100} {
		b := controlplane.HealthBucket{EndpointRow: row, Hour: hour.Add(time.Hour), Bucket: 7, Count: n}
		k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.AddHealth(ctx, b) })
	}
	of := func(merchantID string, env controlplane.Environment, since time.Time) []controlplane.HealthBucket {
		return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.HealthBucket, error) {
			return tx.MerchantHealth(ctx, merchantID, env, since)
		})
	}
	later := controlplane.HealthBucket{Hour: hour.Add(time.Hour), Bucket: 7, Count: 15}
	same(k, of(e.MerchantID, e.Environment, hour), []controlplane.HealthBucket{{Hour: hour, Count: 1}, later})
	same(k, of(e.MerchantID, e.Environment, hour.Add(time.Microsecond)), []controlplane.HealthBucket{later})
	same(k, of("mer_x", e.Environment, hour), nil)
}
