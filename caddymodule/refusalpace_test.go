package caddymodule

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestRefusalsWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p refusalPace
		start := time.Now()
		for range refusalsAtOnce {
			p.await(t.Context(), time.Now())
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the first %d waited %s", refusalsAtOnce, took)
		}
		for range 1001 { // the first of them is due now
			p.await(t.Context(), time.Now())
		}
		if took := time.Since(start); took != 1000*refusalInterval {
			t.Errorf("1,001 more took %s", took)
		}
		time.Sleep(time.Minute)
		start = time.Now()
		if p.await(t.Context(), start); time.Since(start) != 0 {
			t.Error("after a calm minute a refusal waits")
		}
	})
}

func TestNoRefusalWaitsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p refusalPace
		start := time.Now()
		var all sync.WaitGroup
		for range 10_000 {
			all.Go(func() { p.await(t.Context(), start) })
		}
		all.Wait()
		if took := time.Since(start); took > refusalWait {
			t.Errorf("one of 10,000 waited %s", took)
		}
	})
}

func TestARefusalDoesNotWaitForACallerWhoHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p refusalPace
		for range 2 * refusalsAtOnce {
			p.reserve(time.Now())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if p.await(ctx, start); time.Since(start) != 0 {
			t.Error("it waited")
		}
	})
}
