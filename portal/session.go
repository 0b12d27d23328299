package portal

import (
	"net/http"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
)

// Session is one browser's standing, as pages need it.
type Session struct {
	State State
	// Sudo: who they are was confirmed within the last ten minutes.
	Sudo bool

	UserID       string
	Username     string
	Role         controlplane.Role
	MerchantID   string
	MerchantName string
	// Suspended: the merchant is, and its users may only look.
	Suspended bool
	// SecondFactor: the user has enrolled one.
	SecondFactor bool
}

func sessionOf(st account.Standing) Session {
	a := st.Account
	return Session{
		State: stateOf(st.Session.State), Sudo: st.Sudo, UserID: a.ID, Username: a.Username, Role: a.Role,
		MerchantID: a.MerchantID, MerchantName: a.MerchantName, Suspended: a.Suspended, SecondFactor: a.SecondFactor,
	}
}

// stateOf: a state that is not known here is as good as none.
func stateOf(s controlplane.SessionState) State {
	switch s {
	case controlplane.SessionPending2FA:
		return StateCode
	case controlplane.SessionPendingPassword:
		return StatePassword
	case controlplane.SessionPendingEnrol:
		return StateEnrol
	case controlplane.SessionActive:
		return StateActive
	}
	return StateAnonymous
}

// loadSession finds out who asks. Whoever the session cannot name is anonymous.
func (x *exchange) loadSession() error {
	token := x.token()
	if token.IsZero() {
		return nil
	}
	st, err := x.accounts.Session(x.ctx(), token)
	if err != nil {
		return err
	}
	x.standing, x.session = st, sessionOf(st)
	return nil
}

// token is what the browser shows for its session.
func (x *exchange) token() controlplane.Secret { return x.cookie(x.sessionName) }

func (x *exchange) origin() account.Origin {
	return account.Origin{IP: x.clientIP, UserAgent: x.r.UserAgent(), RequestID: x.requestID}
}

// home is the page where a session in this state belongs.
func (p *portal) home(s State) string {
	switch s {
	case StateCode:
		return "login.code"
	case StatePassword:
		return "password"
	case StateEnrol:
		return "account.2fa"
	case StateActive:
		return p.start
	}
	return "login"
}

// lead sends a browser to where its state belongs, and remembers where it was
// going if it only has to sign in.
func (x *exchange) lead() {
	if x.session.State == StateAnonymous && !x.token().IsZero() {
		x.setCookie(x.sessionName, "", -time.Second)
		x.setNotice("session_ended")
	}
	to := x.table.byName[x.home(x.session.State)].path("")
	if back := x.returnName(); back != "" && x.session.State == StateAnonymous {
		to += "?return_to=" + back
	}
	http.Redirect(x.w, x.r, to, http.StatusSeeOther)
}
