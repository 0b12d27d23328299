package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	producers          = 64
	changesPerProducer = 20
)

func concurrencyContract() []contract {
	return []contract{
		{"many producers, some of which fail, disturb nobody", manyProducers},
		{"concurrent bumps give every change a revision of its own", concurrentBumps},
		{"concurrent appenders make one gapless trail", concurrentAppends},
		{"a watcher is woken by a bump and not by its absence", watchWakes},
		{"wake-ups coalesce, and the newest revision is there to read", watchCoalesces},
		{"the channel of a watcher closes with its context", func(k *kit) {
			ctx, cancel := context.WithCancel(k.Context())
			c := k.store.Watch(ctx)
			cancel()
			for range c { // a wake-up before the close is allowed
			}
			bump(k)
		}},
	}
}

// inParallel runs fn for each producer and change and returns the errors.
func inParallel(fn func(producer, change int) error) error {
	errs := make([]error, producers)
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for c := range changesPerProducer {
				errs[p] = errors.Join(errs[p], fn(p, c))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// manyProducers makes every third change fail, by error or panic, after it wrote.
func manyProducers(k *kit) {
	stop := errors.New("stop")
	err := inParallel(func(p, c int) error {
		n := p*changesPerProducer + c
		err := k.try(func(ctx context.Context, tx controlplane.Tx) error {
			if err := tx.InsertMerchant(ctx, Merchant(n)); err != nil {
				return err
			}
			switch n % 6 {
			case 0:
				return stop
			case 3:
				panic(stop)
			}
			return nil
		})
		if (err != nil) != (n%3 == 0) {
			return fmt.Errorf("change %d: %w", n, err)
		}
		return nil
	})
	if err != nil {
		k.Fatal(err)
	}
	var want []string
	for n := range producers * changesPerProducer {
		if n%3 != 0 {
			want = append(want, Merchant(n).ID)
		}
	}
	var got []string
	for page := (controlplane.Page{Limit: 1000}); ; {
		found := merchants(k, controlplane.MerchantFilter{Page: page})
		if len(found) == 0 {
			break
		}
		for _, m := range found {
			got = append(got, m.ID)
		}
		page.After = got[len(got)-1]
	}
	same(k, got, want)
}

func concurrentBumps(k *kit) {
	var mu sync.Mutex
	var got []int64
	err := inParallel(func(int, int) error {
		var rev int64
		err := k.try(func(ctx context.Context, tx controlplane.Tx) (err error) {
			rev, err = tx.BumpRevision(ctx)
			return err
		})
		mu.Lock()
		defer mu.Unlock()
		got = append(got, rev)
		return err
	})
	if err != nil {
		k.Fatal(err)
	}
	slices.Sort(got)
	for i, rev := range got {
		if rev != int64(i+1) {
			k.Fatalf("revision %d in place %d", rev, i+1)
		}
	}
}

func concurrentAppends(k *kit) {
	err := inParallel(func(int, int) error {
		return k.try(func(ctx context.Context, tx controlplane.Tx) error {
			_, err := chain(ctx, tx, event("mer_1", controlplane.OutcomeOK))
			return err
		})
	})
	if err != nil {
		k.Fatal(err)
	}
	var prev [32]byte
	all := auditAfter(k, 0, producers*changesPerProducer+1)
	for i, e := range all {
		if e.Seq != int64(i+1) || e.PrevHash != prev || e.ComputeHash() != e.Hash {
			k.Fatalf("row %d does not fit", i+1)
		}
		prev = e.Hash
	}
	same(k, auditHead(k), controlplane.AuditHead{Seq: producers * changesPerProducer, Hash: prev})
}

func watchWakes(k *kit) {
	c := k.store.Watch(k.Context())
	bump(k)
	<-c
	k.merchants(1)
	k.wants(errUndone, func(ctx context.Context, tx controlplane.Tx) error {
		_, err := tx.BumpRevision(ctx)
		return errors.Join(err, errUndone)
	})
	bump(k)
	<-c
	same(k, revision(k), 2)
}

func watchCoalesces(k *kit) {
	slow, quick := k.store.Watch(k.Context()), k.store.Watch(k.Context())
	for want := range int64(50) {
		bump(k)
		for <-quick; revision(k) < want+1; <-quick {
		}
	}
	<-slow
	same(k, revision(k), 50)
}

var errUndone = errors.New("undone on purpose")

func bump(k *kit) {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		_, err := tx.BumpRevision(ctx)
		return err
	})
}
