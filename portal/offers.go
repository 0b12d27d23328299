package portal

import (
	"github.com/unknownpay/merchant-gateway/controlplane"
)

// offers reports whether the reader would get through to a route that changes
// something, so that no page shows a button which is then refused.
func (x *exchange) offers(route string) bool {
	return !x.session.Suspended && x.table.byName[route].allows(x.session.Role)
}

// mayChange keeps the users of a suspended merchant from filling in a form that
// would be refused.
func (x *exchange) mayChange() error {
	if x.session.Suspended {
		return controlplane.Errorf(controlplane.CodeSuspended, "the merchant is suspended")
	}
	return nil
}

// putRight shows a form again if the error blames what was put into it; every
// other error is returned.
func (x *exchange) putRight(f *form, err error, show func() error) error {
	handled, failure := x.blame(f, err, nil)
	switch {
	case failure != nil:
		return failure
	case !handled:
		return err
	}
	return show()
}
