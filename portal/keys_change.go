package portal

import (
	"net/http"
	"strconv"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// keyFormPage asks before a key is issued or rotated, and says what will stop
// working.
type keyFormPage struct {
	form
	Env controlplane.Environment
	// Old is the active key, which a rotation replaces. While there is one, none is
	// issued: that would cut a running integration off.
	Old *keyView
}

// secretPage shows a secret, this once.
type secretPage struct {
	Env    controlplane.Environment
	KeyID  string
	Secret string
	// Old is the key that was replaced, with the moment at which it stops.
	Old *controlplane.APIKey
	// Stopped: the old key does not work any more.
	Stopped bool
}

func showIssue(x *exchange) error {
	if err := x.mayChange(); err != nil {
		return err
	}
	b, err := x.keyBook(x.env())
	if err != nil {
		return err
	}
	f, err := x.onceForm()
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "keys.issue", keyFormPage{f, x.env(), b.active(x.env())})
}

func submitIssue(x *exchange) error {
	return x.revealKey(func() (controlplane.IssuedKey, error) {
		return x.service.IssueKey(x.ctx(), x.actor(), controlplane.IssueKey{MerchantID: x.session.MerchantID, Environment: x.env()})
	})
}

// revealKey answers with the secret of a new key in this very response, or with
// "done already" if the form was sent before.
func (x *exchange) revealKey(run func() (controlplane.IssuedKey, error)) error {
	issued, first, err := revealOnce(x, run)
	if err != nil {
		return err
	}
	if !first {
		return x.render(http.StatusConflict, "shown", shownPage{x.table.byName["keys"].path(x.env())})
	}
	page := secretPage{Env: x.env(), KeyID: issued.Key.ID, Secret: issued.Secret.Reveal(), Old: issued.Replaced}
	if page.Old != nil {
		page.Stopped = page.Old.StateAt(x.clock()) == controlplane.KeyRevoked
	}
	return x.render(http.StatusOK, "keys.secret", page)
}

func showRotate(x *exchange) error {
	if err := x.mayChange(); err != nil {
		return err
	}
	b, err := x.keyBook(x.env())
	if err != nil {
		return err
	}
	old := b.active(x.env())
	if old == nil { // there is nothing to take over from
		return x.redirect("keys.issue", x.env())
	}
	f, err := x.onceForm()
	if err != nil {
		return err
	}
	f.Fields = []field{{Name: "overlap", Label: "field.overlap", Hint: "field.overlap.hint", Options: overlapOptions(controlplane.DefaultOverlap)}}
	return x.render(http.StatusOK, "keys.rotate", keyFormPage{f, x.env(), old})
}

// submitRotate replaces the key that the form showed. If another one took its
// place meanwhile, the reader decided about something that is no more.
func submitRotate(x *exchange) error {
	overlap, err := x.overlap("overlap")
	if err != nil {
		return err
	}
	old := x.value("key")
	if old == "" {
		return httpError{status: http.StatusBadRequest}
	}
	return x.revealKey(func() (controlplane.IssuedKey, error) {
		return x.service.RotateKey(x.ctx(), x.actor(), controlplane.RotateKey{
			MerchantID: x.session.MerchantID, Environment: x.env(), Replaces: old, Overlap: overlap,
		})
	})
}

// retirePage offers to stop each key that still works.
type retirePage struct {
	Env   controlplane.Environment
	Keys  []keyView
	Empty empty
}

func showRetire(x *exchange) error {
	if err := x.mayChange(); err != nil {
		return err
	}
	b, err := x.keyBook(x.env())
	if err != nil {
		return err
	}
	page := retirePage{Env: x.env(), Empty: empty{"key", "keys.retire.none", "keys.retire.none_next"}}
	for _, k := range b.keys {
		if k.works() {
			page.Keys = append(page.Keys, k)
		}
	}
	return x.render(http.StatusOK, "keys.retire", page)
}

// Choices are the moments at which one of the keys can be stopped. A key that is stopping
// already can only stop sooner.
func (p retirePage) Choices(k keyView) []option {
	choices := overlapOptions(controlplane.OverlapNone)
	if k.State == controlplane.KeyRetiring {
		choices = choices[:1]
	}
	return choices
}

func submitRetire(x *exchange) error {
	b, err := x.keyBook(x.env())
	if err != nil {
		return err
	}
	k, err := b.find(x.r.PathValue("id"))
	if err != nil {
		return err
	}
	after, err := x.overlap("after")
	if err != nil {
		return err
	}
	_, err = x.service.RetireKey(x.ctx(), x.actor(), controlplane.RetireKey{MerchantID: x.session.MerchantID, KeyID: k.ID, After: after})
	if err != nil {
		return err
	}
	if after == controlplane.OverlapNone {
		return x.done("key_stopped", "keys", x.env())
	}
	return x.done("key_stops", "keys", x.env())
}

// overlaps are the choices of when a key stops, the soonest first.
func overlaps() []controlplane.Overlap {
	return []controlplane.Overlap{controlplane.OverlapNone, controlplane.OverlapHour, controlplane.OverlapDay, controlplane.OverlapWeek}
}

// overlapOptions hold the choices as whole hours.
func overlapOptions(chosen controlplane.Overlap) (out []option) {
	for _, o := range overlaps() {
		hours := strconv.Itoa(int(time.Duration(o).Hours()))
		out = append(out, option{hours, "overlap." + hours, o == chosen})
	}
	return out
}

// overlap reads a choice. What is not on offer was not sent by the form.
func (x *exchange) overlap(name string) (controlplane.Overlap, error) {
	hours, err := strconv.Atoi(x.value(name))
	for _, o := range overlaps() {
		if err == nil && time.Duration(o) == time.Duration(hours)*time.Hour {
			return o, nil
		}
	}
	return 0, httpError{status: http.StatusBadRequest}
}
