package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// maxPastKeys bounds the page; all of them are in the audit trail.
const maxPastKeys = 20

// keysPage lists the keys of an environment.
type keysPage struct {
	keyActions
	Active   *keyView
	Retiring []keyView
	Past     []keyView
	Empty    empty
}

// keyActions are what the reader may do about keys.
type keyActions struct {
	Env       controlplane.Environment
	MayIssue  bool
	MayRotate bool
	MayRetire bool
}

func (x *exchange) keyActions() keyActions {
	return keyActions{x.env(), x.offers("keys.issue"), x.offers("keys.rotate"), x.offers("keys.retire")}
}

func showKeys(x *exchange) error {
	b, err := x.keyBook(x.env())
	if err != nil {
		return err
	}
	page := keysPage{
		keyActions: x.keyActions(), Active: b.active(x.env()), Retiring: b.in(controlplane.KeyRetiring), Past: b.in(controlplane.KeyRevoked),
		Empty: empty{"key", "keys.none." + string(x.env()), "keys.none.ask"},
	}
	if page.MayIssue {
		page.Empty.Next = "keys.none.issue"
	}
	page.Past = page.Past[:min(len(page.Past), maxPastKeys)]
	return x.render(http.StatusOK, "keys", page)
}

// keyPage is one key in full.
type keyPage struct {
	keyActions
	Key keyView
}

func showKey(x *exchange) error {
	b, err := x.keyBook(x.env())
	if err != nil {
		return err
	}
	k, err := b.find(x.r.PathValue("id"))
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "keys.key", keyPage{x.keyActions(), k})
}
