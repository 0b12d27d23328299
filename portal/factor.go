package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
)

// factorPage is how the second factor stands, and the way to set one up.
type factorPage struct {
	form
	Tabs   []link
	Factor account.Factor
	// Forced: the merchant's policy lets nothing else work until it is done.
	Forced bool
}

func showFactor(x *exchange) error {
	factor, err := x.accounts.Factor(x.ctx(), x.token())
	if err != nil {
		return err
	}
	f, err := x.onceForm()
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "account.2fa", factorPage{f, x.accountTabs(), factor, x.session.State == StateEnrol})
}

// onceForm is an empty form that reveals a secret when it is sent.
func (x *exchange) onceForm() (form, error) {
	id, err := x.newOnceID()
	return form{OnceID: id}, err
}

// enrolPage shows the seed to an authenticator app and asks for its first code.
type enrolPage struct {
	form
	// Seed is shown in the answer to the request that made it, and never again.
	Seed string
	QR   qrCode
}

func beginEnrolment(x *exchange) error {
	e, first, err := revealOnce(x, func() (account.Enrolment, error) {
		return x.accounts.BeginEnrolment(x.ctx(), x.token(), x.origin())
	})
	if err != nil {
		return err
	}
	if !first {
		return x.render(http.StatusConflict, "shown", shownPage{x.table.byName["account.2fa"].path("")})
	}
	qr, err := drawQR(e.URI)
	if err != nil {
		return err
	}
	f := codeForm()
	if f.OnceID, err = x.newOnceID(); err != nil {
		return err
	}
	return x.render(http.StatusOK, "account.enrol", enrolPage{f, groups(e.Seed.Reveal()), qr})
}

// codesPage shows recovery codes, once.
type codesPage struct {
	Codes []string
	// Fresh: they come with a second factor that was set up this moment.
	Fresh bool
}

func finishEnrolment(x *exchange) error {
	type result struct {
		ticket account.Ticket
		codes  []controlplane.Secret
	}
	r, first, err := revealOnce(x, func() (r result, err error) {
		r.ticket, r.codes, err = x.accounts.FinishEnrolment(x.ctx(), x.token(), x.secret("code"), x.origin())
		return r, err
	})
	if err != nil {
		return x.enrolmentRefused(err)
	}
	if !first {
		return x.render(http.StatusConflict, "shown", shownPage{x.table.byName["account.2fa"].path("")})
	}
	x.keep(r.ticket)
	x.session.State = stateOf(r.ticket.State)
	return x.render(http.StatusOK, "account.codes", codesPage{revealAll(r.codes), true})
}

// enrolmentRefused asks for the code again; the seed is in the app already.
func (x *exchange) enrolmentRefused(err error) error {
	status, text, handled := x.explainRefusal("account.enrol.wrong", err)
	if !handled {
		return err
	}
	f := codeForm()
	f.mark("code", text)
	if f.OnceID, err = x.newOnceID(); err != nil {
		return err
	}
	return x.render(status, "account.enrol", enrolPage{form: f})
}

func removeFactor(x *exchange) error {
	ticket, err := x.accounts.RemoveFactor(x.ctx(), x.token(), x.origin())
	if err != nil {
		return err
	}
	x.setNotice("factor_removed")
	return x.proceed(ticket)
}

func renewCodes(x *exchange) error {
	codes, first, err := revealOnce(x, func() ([]controlplane.Secret, error) {
		return x.accounts.NewRecoveryCodes(x.ctx(), x.token(), x.origin())
	})
	if err != nil {
		return err
	}
	if !first {
		return x.render(http.StatusConflict, "shown", shownPage{x.table.byName["account.2fa"].path("")})
	}
	return x.render(http.StatusOK, "account.codes", codesPage{Codes: revealAll(codes)})
}

// shownPage answers a form that revealed its secret before.
type shownPage struct{ Back string }

// groups sets a space after every four characters, for people who type them.
func groups(s string) string {
	var out []byte
	for i := range len(s) {
		if i > 0 && i%4 == 0 {
			out = append(out, ' ')
		}
		out = append(out, s[i])
	}
	return string(out)
}

func revealAll(codes []controlplane.Secret) []string {
	out := make([]string, len(codes))
	for i, c := range codes {
		out[i] = c.Reveal()
	}
	return out
}
