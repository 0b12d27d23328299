package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestLeasesDrain(t *testing.T) {
	l := newLeases()
	for range 2 {
		if !l.take() {
			t.Fatal("no lease")
		}
	}
	drained := l.close()
	if l.take() {
		t.Error("a lease after the end")
	}
	l.give()
	select {
	case <-drained:
		t.Error("drained with a lease out")
	default:
	}
	l.give()
	<-drained
	<-l.close()
	if l.take() {
		t.Error("a lease after the end")
	}
}

func TestLeasesUnderLoad(t *testing.T) {
	l := newLeases()
	var out, afterwards atomic.Int64
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for l.take() {
				out.Add(1)
				out.Add(-1)
				l.give()
			}
		})
	}
	drained := l.close()
	users.Go(func() {
		<-drained
		afterwards.Store(out.Load())
	})
	users.Wait()
	if n := afterwards.Load(); n != 0 {
		t.Errorf("%d leases were out when it drained", n)
	}
}

func TestTheNewestTenantIsInForce(t *testing.T) {
	var all tenants[int]
	first, second := new(int), new(int)
	all.leave(first)
	all.enter(first)
	all.enter(second)
	if all.newest() != second {
		t.Error("not the second")
	}
	all.leave(second)
	if all.newest() != first {
		t.Error("the first is not in force again")
	}
	all.leave(first)
	all.leave(first)
	if all.newest() != nil {
		t.Error("somebody is in force")
	}
}

// recorder is what usage writes to.
type recorder struct {
	mu   sync.Mutex
	uses []controlplane.Use
	err  error
}

func (r *recorder) record(_ context.Context, u controlplane.Use) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.uses = append(r.uses, u)
	return r.err
}

func TestUsageKeepsTheNewestAndFlushesInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		u := newUsage(r.record, func(err error) { t.Error(err) })
		now, ip := time.Now(), netip.MustParseAddr("192.0.2.1")
		u.note("unk_live_a", 1, now, ip)
		u.note("unk_live_a", 1, now.Add(-time.Second), netip.MustParseAddr("192.0.2.9"))
		time.Sleep(usageFlush + time.Second)
		synctest.Wait()
		if len(r.uses) != 1 || len(r.uses[0].Keys) != 1 || r.uses[0].Keys[0] != (controlplane.KeyUse{KeyID: "unk_live_a", At: now, IP: ip}) || len(r.uses[0].Matches) != 1 {
			t.Errorf("written: %+v", r.uses)
		}
		for i := range usageBatch {
			u.note(fmt.Sprintf("unk_live_%06d", i), int64(i), now, ip)
		}
		u.close()
		rows := 0
		for _, use := range r.uses[1:] {
			n := len(use.Keys) + len(use.Matches)
			if rows += n; n > usageBatch {
				t.Errorf("%d rows at once", n)
			}
		}
		if rows != 2*usageBatch || u.dropped.Load() != 0 {
			t.Errorf("%d rows, %d dropped", rows, u.dropped.Load())
		}
	})
}

func TestUsageCountsWhatItDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{err: errors.New("the store is away")}
		var reported atomic.Int64
		u := newUsage(r.record, func(error) { reported.Add(1) })
		for i := range usageLimit + 5 {
			u.note(fmt.Sprintf("unk_live_%06d_a", i), 1, time.Now(), netip.Addr{}) // one shard
		}
		if n := u.dropped.Load(); n != 5 {
			t.Errorf("%d dropped for lack of room", n)
		}
		u.close()
		if reported.Load() == 0 || u.dropped.Load() <= usageLimit {
			t.Errorf("%d reports, %d dropped", reported.Load(), u.dropped.Load())
		}
	})
}

func TestTheBudgetIsKept(t *testing.T) {
	var b budget
	b.limit.Store(100)
	var held, over atomic.Int64
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 1000 {
				if !b.reserve(30) {
					continue
				}
				if held.Add(30) > 100 {
					over.Add(1)
				}
				held.Add(-30)
				b.release(30)
			}
		})
	}
	users.Wait()
	if b.used.Load() != 0 || over.Load() != 0 {
		t.Errorf("%d bytes are reserved; %d times too many were", b.used.Load(), over.Load())
	}
}

func TestBuffersFit(t *testing.T) {
	var pool buffers
	for _, n := range []int64{0, 1, 1023, 1024, 1025, 2048, 65_536, 1 << 20, 1<<20 + 1, 5 << 20} {
		b := pool.get(n)
		if int64(cap(b.data)) < n || len(b.data) != 0 {
			t.Errorf("a buffer of %d for %d bytes", cap(b.data), n)
		}
		pool.put(b)
	}
}
