package delivery

import (
	"context"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// NoticeKind says what happened to an endpoint.
type NoticeKind string

const (
	// NoticeFailing: its breaker opened.
	NoticeFailing NoticeKind = "failing"
	// NoticeRecovered: it answered again after that.
	NoticeRecovered NoticeKind = "recovered"
	// NoticePaused: it asked not to be bothered for a while.
	NoticePaused NoticeKind = "paused"
	// NoticeDisabled: it answered 410, or was dead for days.
	NoticeDisabled NoticeKind = "disabled"
)

// Notice is something that the people of a merchant want to know.
type Notice struct {
	Kind NoticeKind
	// Endpoint as it was read last; a disabled one has its reason.
	Endpoint controlplane.Endpoint
	At       time.Time
	// PausedUntil is set for [NoticePaused].
	PausedUntil time.Time
}

// Notifier passes notices on, by mail for one. Notify is called from one
// goroutine; while it waits, other notices do. A notice that cannot be passed on is
// logged and lost: the portal shows the same from the endpoint's condition.
type Notifier interface {
	Notify(ctx context.Context, n Notice) error
}

// notice hands one to the keeper. The lock is held.
func (e *Engine) notice(ep *endpoint, kind NoticeKind) {
	n := Notice{Kind: kind, Endpoint: ep.known, At: e.now()}
	if kind == NoticePaused {
		n.PausedUntil = ep.condition.PausedUntil
	}
	e.chores.notices = append(e.chores.notices, n)
	poke(e.choreNow)
}
