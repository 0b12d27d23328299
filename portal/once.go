package portal

import (
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// onceForms remembers which forms that reveal a secret were used: reloading the
// answer must not rotate a key again. It guards a person from their own reload,
// not the server from an attacker, who could draw a fresh form; so it lives in
// memory, and a second node or a restart forgets it.
type onceForms struct {
	clock func() time.Time
	mu    sync.Mutex
	spent map[string]time.Time
}

const (
	// onceLife is as long as a session can last.
	onceLife = 12 * time.Hour
	// maxOnce bounds the memory; each entry is one key issued by a person.
	maxOnce = 10_000
)

func newOnceForms(clock func() time.Time) *onceForms {
	return &onceForms{clock: clock, spent: map[string]time.Time{}}
}

// spend takes the form of a user, whose session may change its id meanwhile; false if it was taken before.
func (o *onceForms) spend(userID, formID string) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.clock()
	key := userID + " " + formID
	if until, found := o.spent[key]; found && now.Before(until) {
		return false, nil
	}
	if len(o.spent) >= maxOnce {
		o.sweep(now)
	}
	if len(o.spent) >= maxOnce {
		return false, &controlplane.Error{Code: controlplane.CodeUnavailable, Message: "too many secrets were shown today", RetryAfter: time.Hour}
	}
	o.spent[key] = now.Add(onceLife)
	return true, nil
}

func (o *onceForms) sweep(now time.Time) {
	for key, until := range o.spent {
		if !now.Before(until) {
			delete(o.spent, key)
		}
	}
}

// giveBack undoes spend after a failure that revealed nothing.
func (o *onceForms) giveBack(userID, formID string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.spent, userID+" "+formID)
}

// onceIDBytes of randomness make a form's id.
const onceIDBytes = 16

// newOnceID draws the id of a form that reveals a secret; the partial "once" puts
// it into the form.
func (x *exchange) newOnceID() (string, error) {
	var b [onceIDBytes]byte
	if _, err := io.ReadFull(x.random, b[:]); err != nil {
		return "", fmt.Errorf("read randomness for a form id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// revealOnce runs an operation whose answer holds a secret, once for each form
// that was drawn. A second time is told "done already" and nothing is changed.
func revealOnce[T any](x *exchange, run func() (T, error)) (out T, first bool, err error) {
	id := x.value("once")
	if len(id) != hex.EncodedLen(onceIDBytes) {
		return out, false, httpError{status: 400}
	}
	if first, err = x.once.spend(x.session.UserID, id); err != nil || !first {
		return out, false, err
	}
	if out, err = run(); err != nil {
		x.once.giveBack(x.session.UserID, id)
	}
	return out, true, err
}
