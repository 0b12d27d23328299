package portal

import (
	"context"
	"net/http"
	"net/netip"

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

// Origin is where a request comes from, for throttling and for the trail.
type Origin struct {
	IP        netip.Addr
	UserAgent string
	RequestID string
}

// Accounts is what the portal asks about people and their sessions.
type Accounts interface {
	// Session returns the session of a token; an unknown, ended or expired one is
	// the zero Session without an error.
	Session(ctx context.Context, token controlplane.Secret, from Origin) (Session, error)
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
func (x *exchange) lead() error {
	to := x.table.byName[home(x.session.State)].path("")
	if back := x.returnName(); back != "" && x.session.State == StateAnonymous {
		to += "?return_to=" + back
	}
	http.Redirect(x.w, x.r, to, http.StatusSeeOther)
	return nil
}
