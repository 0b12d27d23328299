package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// channelRevision is what a bump of the revision is announced on.
	channelRevision = "merchants_revision"

	// listenQuiet is how long a listener hears nothing before it asks whether the
	// server is still there: a connection that a firewall forgot is silent for ever.
	listenQuiet = 20 * time.Second
	// The pause before the next attempt to connect, doubled each time.
	listenRetryMin = 100 * time.Millisecond
	listenRetryMax = 5 * time.Second
)

// listener hears, on a connection of its own, that other nodes bumped the revision.
// What it misses while it connects, and without a connection, followers learn by
// asking: its work is to make them ask sooner.
type listener struct {
	connect func(context.Context) (*pgx.Conn, error)
	wake    func()
	cancel  context.CancelFunc
	done    chan struct{}
}

func listen(connect func(context.Context) (*pgx.Conn, error), wake func()) *listener {
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{connect: connect, wake: wake, cancel: cancel, done: make(chan struct{})}
	go l.run(ctx)
	return l
}

func (l *listener) stop() {
	l.cancel()
	<-l.done
}

func (l *listener) run(ctx context.Context) {
	defer close(l.done)
	retry := listenRetryMin
	for ctx.Err() == nil {
		if l.session(ctx) {
			retry = listenRetryMin
		}
		if !pause(ctx, retry) {
			return
		}
		retry = min(2*retry, listenRetryMax)
	}
}

// session reports whether it came to listening, before it ended one way or another.
func (l *listener) session(ctx context.Context) bool {
	conn, err := l.connect(ctx)
	if err != nil {
		return false
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := conn.Close(closing); err != nil {
			return // it is gone either way
		}
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channelRevision); err != nil {
		return false
	}
	l.wake()
	for hear(ctx, conn) == nil {
		l.wake()
	}
	return true
}

// hear waits for an announcement, or makes sure that there could have been one.
func hear(ctx context.Context, conn *pgx.Conn) error {
	limited, cancel := context.WithTimeout(ctx, listenQuiet)
	defer cancel()
	_, err := conn.WaitForNotification(limited)
	if err == nil || ctx.Err() != nil || !errors.Is(limited.Err(), context.DeadlineExceeded) {
		return err
	}
	alive, done := context.WithTimeout(ctx, connectLimit)
	defer done()
	return conn.Ping(alive)
}
