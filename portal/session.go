package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Session is one browser's standing. The zero value is nobody's.
type Session struct {
	ID    string
	State State
	// Sudo: who they are was confirmed within the last ten minutes.
	Sudo bool

	UserID       string
	Username     string
	Role         controlplane.Role
	MerchantID   string
	MerchantName string
	Suspended    bool
	// SecondFactor: the user has enrolled one.
	SecondFactor bool
}

// loadSession finds out who asks. Whoever the session cannot name is anonymous.
func (x *exchange) loadSession() error {
	x.session = Session{State: StateAnonymous}
	token := x.cookie(sessionCookie)
	if token.IsZero() {
		return nil
	}
	s, err := x.accounts.Session(x.ctx(), token, x.origin())
	if err != nil {
		return err
	}
	if s.State != 0 {
		x.session = s
	}
	return nil
}

func (x *exchange) origin() Origin {
	return Origin{IP: x.clientIP, UserAgent: x.r.UserAgent(), RequestID: x.requestID}
}

// home is the page where a session in this state belongs.
func home(s State) string {
	switch s {
	case StateCode:
		return "login.code"
	case StatePassword:
		return "password"
	case StateEnrol:
		return "account.2fa"
	case StateActive:
		return "overview"
	}
	return "login"
}

// lead sends a browser to where its state belongs, and remembers where it was
// going if it only has to sign in.
func (x *exchange) lead() {
	to := x.table.byName[home(x.session.State)].path("")
	if back := x.returnName(); back != "" && x.session.State == StateAnonymous {
		to += "?return_to=" + back
	}
	http.Redirect(x.w, x.r, to, http.StatusSeeOther)
}
