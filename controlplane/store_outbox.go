package controlplane

import (
	"context"
	"time"
)

// Mail is a message to a person, waiting to be sent. It holds no secret: mail is
// read by many machines on its way.
type Mail struct {
	// ID names what the mail tells of, so that it is told once: see
	// [OutboxTx.AddMail].
	ID      string
	To      string
	Subject string
	Body    string
	// CreatedAt and DueAt: when it was written, and when it is to be tried next.
	CreatedAt time.Time
	DueAt     time.Time
	// Attempts that failed so far.
	Attempts int
}

// OutboxTx holds the mail to be sent. It is written in the transaction of what it
// tells of, so that neither happens without the other.
type OutboxTx interface {
	// AddMail does nothing if there is, or was lately, mail of that id.
	AddMail(ctx context.Context, m Mail) error
	// DueMail returns up to limit unsent messages whose time has come, oldest
	// first.
	DueMail(ctx context.Context, now time.Time, limit int) ([]Mail, error)
	// ClaimMail makes a message due at until instead, for whoever is about to send it;
	// false if it is not due at the moment that m says any more: another has it.
	ClaimMail(ctx context.Context, m Mail, until time.Time) (bool, error)
	// PostponeMail notes a failed attempt.
	PostponeMail(ctx context.Context, id string, attempts int, dueAt time.Time) error
	// CloseMail notes that there is nothing more to do, and forgets the content.
	CloseMail(ctx context.Context, id string, now time.Time) error
	// DeleteClosedMail forgets the ids too, of mail closed before the moment.
	DeleteClosedMail(ctx context.Context, before time.Time) (int64, error)

	// KeysStopping returns the retiring keys that stop in (from, until] and were
	// used after usedSince.
	KeysStopping(ctx context.Context, from, until, usedSince time.Time) ([]APIKey, error)
}
