package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Transport hands one message to a mail server. An error that wraps
// [ErrRejected] is final.
type Transport interface {
	Send(ctx context.Context, m controlplane.Mail) error
}

// ErrRejected: the server will never take this message.
var ErrRejected = errors.New("the mail server refused the message for good")

const (
	// poll is how often the outbox is looked into.
	poll = 5 * time.Second
	// batch messages are sent between two looks.
	batch = 50
	// sendTimeout bounds one message.
	sendTimeout = 30 * time.Second
	// giveUp: news that old would only confuse.
	giveUp = 72 * time.Hour
	// remember is how long the ids of sent mail are kept, so that nothing is told
	// twice: longer than any key retires.
	remember = 30 * 24 * time.Hour
	// maxBackoff between attempts, which double from a minute.
	maxBackoff = 4 * time.Hour
)

// Sender empties the outbox.
type Sender struct {
	Store controlplane.Store
	// Transport returns the mail server of the present configuration, or nil if
	// there is none: mail then waits.
	Transport func() Transport
	Clock     func() time.Time
	// OnError is told what failed; never the content of a message.
	OnError func(error)
}

// Run sends until ctx ends. Several servers of one store may: a message is claimed
// by one of them.
func (s *Sender) Run(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if err := s.Round(ctx); err != nil && ctx.Err() == nil {
			s.OnError(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Round sends what is due once.
func (s *Sender) Round(ctx context.Context) error {
	transport := s.Transport()
	if transport == nil {
		return nil
	}
	now := s.Clock()
	if err := RemindOfStoppingKeys(ctx, s.Store, now); err != nil {
		return fmt.Errorf("remind of stopping keys: %w", err)
	}
	var due []controlplane.Mail
	err := s.Store.View(ctx, func(tx controlplane.Tx) (err error) {
		due, err = tx.DueMail(ctx, now, batch)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the outbox: %w", err)
	}
	for _, m := range due {
		if err := s.send(ctx, transport, m); err != nil {
			return err
		}
	}
	return s.forget(ctx, now)
}

// send tries one message and writes down what came of it. A crash in between
// sends it again: told twice is better than not told.
func (s *Sender) send(ctx context.Context, t Transport, m controlplane.Mail) error {
	if mine, err := s.claim(ctx, m); err != nil || !mine {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, sendTimeout)
	failed := t.Send(limited, m)
	cancel()
	if ctx.Err() != nil {
		return ctx.Err() // a stop is not the server's fault
	}
	now := s.Clock()
	if failed != nil {
		s.OnError(fmt.Errorf("send mail %s: %w", m.ID, failed))
	}
	return s.Store.Update(ctx, func(tx controlplane.Tx) error {
		if failed == nil || errors.Is(failed, ErrRejected) || now.Sub(m.CreatedAt) > giveUp {
			return tx.CloseMail(ctx, m.ID, now)
		}
		return tx.PostponeMail(ctx, m.ID, m.Attempts+1, now.Add(backoff(m.Attempts)))
	})
}

// claim keeps other servers from sending the message too, for as long as an attempt
// takes at most. After a crash in between it is tried again when that is over.
func (s *Sender) claim(ctx context.Context, m controlplane.Mail) (mine bool, err error) {
	err = s.Store.Update(ctx, func(tx controlplane.Tx) (err error) {
		mine, err = tx.ClaimMail(ctx, m, s.Clock().Add(2*sendTimeout))
		return err
	})
	return mine, err
}

// backoff doubles from a minute.
func backoff(attempts int) time.Duration {
	return min(time.Minute<<min(attempts, 10), maxBackoff)
}

func (s *Sender) forget(ctx context.Context, now time.Time) error {
	return s.Store.Update(ctx, func(tx controlplane.Tx) error {
		_, err := tx.DeleteClosedMail(ctx, now.Add(-remember))
		return err
	})
}
