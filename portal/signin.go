package portal

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
)

// signInPage is one step of the sign-in: a form and where it leads.
type signInPage struct {
	form
	ReturnTo string
	// Username is whose password is confirmed or changed, for password managers.
	Username string
}

const (
	maxUsername = 64
	// maxPasswordInput is wider than any password that is accepted: browsers cut
	// what is pasted at maxlength, silently.
	maxPasswordInput = 512
	maxCodeInput     = 64
)

// returnTo is the name, with its ids and never a URL, of the page to go on to.
func (x *exchange) returnTo() string {
	name := x.r.URL.Query().Get("return_to")
	if x.r.Method == post {
		name = x.value("return_to")
	}
	if _, found := x.target(name); !found {
		return ""
	}
	return name
}

func showLogin(x *exchange) error { return x.signInForm(http.StatusOK, "login", loginForm("")) }

func loginForm(username string) form {
	return form{Fields: []field{
		{Name: "username", Label: "field.username", Autocomplete: "username", Value: username, Required: true, MaxLength: maxUsername, Focus: username == ""},
		{Name: "password", Label: "field.password", Type: "password", Autocomplete: "current-password", Required: true, MaxLength: maxPasswordInput, Focus: username != ""},
	}}
}

func codeForm() form {
	return form{Fields: []field{codeField(true)}}
}

func codeField(focus bool) field {
	return field{
		Name: "code", Label: "field.code", Hint: "field.code.hint", Autocomplete: "one-time-code", InputMode: "numeric",
		Required: true, MaxLength: maxCodeInput, Focus: focus,
	}
}

func recoveryForm() form {
	return form{Fields: []field{{
		Name: "code", Label: "field.recovery_code", Hint: "field.recovery_code.hint", Autocomplete: "off", Required: true, MaxLength: maxCodeInput, Focus: true,
	}}}
}

func (x *exchange) signInForm(status int, view string, f form) error {
	return x.render(status, view, signInPage{form: f, ReturnTo: x.returnTo(), Username: x.session.Username})
}

func submitLogin(x *exchange) error {
	username := x.value("username")
	ticket, err := x.accounts.SignIn(x.ctx(), account.Credentials{
		Username: username, Password: x.secret("password"), Device: x.cookie(deviceCookie),
	}, x.origin())
	if err != nil {
		return x.signInRefused("login", loginForm(username), "login.wrong", err)
	}
	return x.proceed(ticket)
}

func showCode(x *exchange) error { return x.signInForm(http.StatusOK, "login.code", codeForm()) }

func submitCode(x *exchange) error {
	ticket, err := x.accounts.Code(x.ctx(), x.token(), x.secret("code"), x.origin())
	if err != nil {
		return x.signInRefused("login.code", codeForm(), "login.code.wrong", err)
	}
	return x.proceed(ticket)
}

func showRecovery(x *exchange) error {
	return x.signInForm(http.StatusOK, "login.recovery", recoveryForm())
}

func submitRecovery(x *exchange) error {
	ticket, err := x.accounts.RecoveryCode(x.ctx(), x.token(), x.secret("code"), x.origin())
	if err != nil {
		return x.signInRefused("login.recovery", recoveryForm(), "login.recovery.wrong", err)
	}
	x.setNotice("recovery_used")
	return x.proceed(ticket)
}

// proceed gives the browser what a step of the sign-in earned and leads it on.
func (x *exchange) proceed(t account.Ticket) error {
	x.keep(t)
	state := stateOf(t.State)
	if state == StateActive {
		http.Redirect(x.w, x.r, x.returnPath(x.returnTo()), http.StatusSeeOther)
		return nil
	}
	to := x.table.byName[x.home(state)].path("")
	if name := x.returnTo(); name != "" {
		to += "?" + url.Values{"return_to": {name}}.Encode()
	}
	http.Redirect(x.w, x.r, to, http.StatusSeeOther)
	return nil
}

// deviceLife is how long a browser stays known.
const deviceLife = 180 * 24 * time.Hour

// keep sets the cookies of a ticket. The session cookie ends with the browser; the
// server ends it earlier.
func (x *exchange) keep(t account.Ticket) {
	if !t.Token.IsZero() {
		x.setCookie(x.sessionName, t.Token.Reveal(), 0)
	}
	if !t.Device.IsZero() {
		x.setCookie(deviceCookie, t.Device.Reveal(), deviceLife)
	}
}

// signInRefused shows a form again. What is wrong is one sentence per step,
// whatever the reason: which part was wrong, or that a code was used before, is
// what someone guessing would like to know (Keycloak issue 13867).
func (x *exchange) signInRefused(view string, f form, wrong string, err error) error {
	status, text, handled := x.explainRefusal(wrong, err)
	if !handled {
		return err
	}
	f.Problem = text
	return x.signInForm(status, view, f)
}

// explainRefusal turns a refusal to prove oneself into a status and a text; false
// for every other error.
func (x *exchange) explainRefusal(wrong string, err error) (status int, text string, handled bool) {
	var e *controlplane.Error
	if !errors.As(err, &e) {
		return 0, "", false
	}
	x.cause = err
	switch e.Code {
	case controlplane.CodeDenied:
		text, err = x.text(wrong)
		return http.StatusUnprocessableEntity, text, err == nil
	case controlplane.CodeLimit:
		x.retryAfter(e.RetryAfter)
		text, err = x.text("login.throttled", "minutes", int(math.Ceil(e.RetryAfter.Minutes())))
		return http.StatusTooManyRequests, text, err == nil
	}
	return 0, "", false
}

// submitLogout ends the session and has the browser forget what it kept of ours.
// "cookies" is left out on purpose: it would also take the mark of a known device,
// which keeps strangers from locking its owner out.
func submitLogout(x *exchange) error {
	if err := x.accounts.SignOut(x.ctx(), x.token(), x.origin()); err != nil {
		return err
	}
	x.setCookie(x.sessionName, "", -time.Second)
	x.w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	x.setNotice("signed_out")
	return x.redirect("login", "")
}
