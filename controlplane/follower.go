package controlplane

import (
	"context"
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
	// OnError is told what went wrong; the follower goes on. It is called from
	// Run's goroutine and may be nil.
	OnError func(error)
	// OnChange is called after each new snapshot, from Run's goroutine. It may be
	// nil.
	OnChange func(*Snapshot)
}

// Follower keeps a [Snapshot] up to date: one whole load, then what changed since,
// as soon as the store says that something did. While the store is away the last
// good snapshot stays; [Follower.LastSuccess] tells how old it is.
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

// Run follows until ctx ends, and then returns its cause. Failures of the store
// are reported and tried again. It must run once at a time.
func (f *Follower) Run(ctx context.Context) error {
	wake := f.config.Store.Watch(ctx)
	poll := time.NewTicker(f.config.Poll)
	defer poll.Stop()
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
