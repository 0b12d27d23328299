package controlplane

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DefaultPoll is how often a follower asks for a newer revision when nothing
	// wakes it up.
	DefaultPoll = time.Second
	// followerRest is the least time between two looks at the store. A burst of
	// changes shares the copying of shards, and a change waits at most this long.
	followerRest = 10 * time.Millisecond
	// The pause after a failure, doubled each time it fails again.
	followerRetryMin = 100 * time.Millisecond
	followerRetryMax = 5 * time.Second
	// unreadableRetry is how often everything is loaded again while keys are left
	// out: their rows need not change for the cause, such as a data key that has
	// not reached this machine, to go away.
	unreadableRetry = time.Minute
)

// FollowerConfig says what a [Follower] follows. Store, Sealer and Clock are
// required.
type FollowerConfig struct {
	Store  Store
	Sealer Sealer
	Clock  func() time.Time
	// Poll is how often to ask without being woken; 0 means [DefaultPoll].
	Poll time.Duration
	// MaxStale is how long the last good snapshot decides while the store is away,
	// counted from when the store last answered; then there is none, until the store
	// answers again. 0: for as long as the follower runs.
	MaxStale time.Duration
	// OnError is told what went wrong; the follower goes on. It may be called from two
	// goroutines at once, and may be nil.
	OnError func(error)
	// OnChange is called after each new snapshot, from Run's goroutine. It may be
	// nil. It does not hear of the one that is withdrawn.
	OnChange func(*Snapshot)
}

// Follower keeps a [Snapshot] up to date: one whole load, then what changed since,
// as soon as the store says that something did. While the store is away the last
// good snapshot stays, for MaxStale; [Follower.LastSuccess] tells how old it is.
//
// A key whose secret does not open is left out, and reported. It never keeps an
// older state, since that could be the state before it was revoked.
type Follower struct {
	config  FollowerConfig
	current atomic.Pointer[Snapshot]
	success atomic.Int64 // Unix ns of the last time the store answered, 0 for never

	mu      sync.Mutex
	changed chan struct{} // closed and replaced with each snapshot

	leftOut atomic.Int64 // the length of unreadable

	// Of Run's goroutine.
	kept       bool                // the snapshot is from [Follower.Restore]
	unreadable map[string]struct{} // ids of the keys left out
	loadedAt   time.Time           // when everything was last loaded
}

// NewFollower returns a follower that has loaded nothing yet.
func NewFollower(config FollowerConfig) *Follower {
	if config.Poll <= 0 {
		config.Poll = DefaultPoll
	}
	return &Follower{config: config, changed: make(chan struct{})}
}

// Current is the newest snapshot, nil before the first load.
func (f *Follower) Current() *Snapshot { return f.current.Load() }

// LastSuccess is when the store last answered; zero for never. A snapshot is as
// old as that, however long ago something changed.
func (f *Follower) LastSuccess() time.Time {
	ns := f.success.Load()
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// Age is how long ago the store last answered; false if it never has.
func (f *Follower) Age(now time.Time) (time.Duration, bool) {
	last := f.LastSuccess()
	return now.Sub(last), !last.IsZero()
}

// Unreadable is the number of keys left out because their secrets do not open.
func (f *Follower) Unreadable() int { return int(f.leftOut.Load()) }

// WaitRevision returns once the revision, or a later one, is what requests are
// decided by. It fails only when ctx ends.
func (f *Follower) WaitRevision(ctx context.Context, revision int64) error {
	for {
		f.mu.Lock()
		changed := f.changed
		f.mu.Unlock()
		if s := f.Current(); s != nil && s.Revision() >= revision {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// Restore lends the follower a snapshot that was kept from an earlier run, and says
// when the store last confirmed it. It decides until the first load, which reads
// everything, unless it is too old. Call it before Run.
func (f *Follower) Restore(s *Snapshot, confirmed time.Time) {
	f.success.Store(confirmed.UnixNano())
	if f.kept = !f.stale(); f.kept {
		f.current.Store(s)
	}
}

// stale holds for a time to come too: a clock that was put back must not lend a
// snapshot more than another MaxStale.
func (f *Follower) stale() bool {
	age, _ := f.Age(f.config.Clock())
	return f.config.MaxStale > 0 && age.Abs() > f.config.MaxStale
}

// expire withdraws the snapshot when it is too old. It has a goroutine of its own: a
// look at a store that is away can hang.
func (f *Follower) expire(ctx context.Context) {
	for sleep(ctx, f.config.Poll) == nil {
		if s := f.current.Load(); s != nil && f.stale() && f.current.CompareAndSwap(s, nil) {
			f.report(fmt.Errorf("the store has not answered for more than %v; there is no snapshot any more until it does", f.config.MaxStale))
		}
	}
}

// Run follows until ctx ends, and then returns its cause. Failures of the store
// are reported and tried again. It must run once at a time.
func (f *Follower) Run(ctx context.Context) error {
	wake := f.config.Store.Watch(ctx)
	poll := time.NewTicker(f.config.Poll)
	defer poll.Stop()
	if f.config.MaxStale > 0 {
		var watching sync.WaitGroup
		defer watching.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		watching.Go(func() { f.expire(ctx) })
	}
	retry := followerRetryMin
	for {
		pause := followerRest
		if err := f.refresh(ctx); err != nil && ctx.Err() == nil {
			f.report(err)
			pause, retry = retry, min(2*retry, followerRetryMax)
		} else {
			retry = followerRetryMin
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		if pause > followerRest {
			continue
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case _, open := <-wake:
			if !open {
				wake = nil // the poll goes on
			}
		case <-poll.C:
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

func (f *Follower) report(err error) {
	if f.config.OnError != nil {
		f.config.OnError(err)
	}
}

func (f *Follower) publish(s *Snapshot) {
	f.current.Store(s)
	f.mu.Lock()
	close(f.changed)
	f.changed = make(chan struct{})
	f.mu.Unlock()
	if f.config.OnChange != nil {
		f.config.OnChange(s)
	}
}
