package portal

import (
	"net/http"
	"net/url"
)

// askSudo leads to the confirmation and remembers the page with the form: what
// was asked for is not done afterwards by itself, but asked for again by the one
// who confirmed.
func (x *exchange) askSudo() {
	to := "/sudo"
	if name := x.returnName(); name != "" {
		to += "?" + url.Values{"return_to": {name}}.Encode()
	}
	http.Redirect(x.w, x.r, to, http.StatusSeeOther)
}

// sudoForm asks for everything that the account has; recovery codes are no
// confirmation.
func (x *exchange) sudoForm() form {
	f := form{Fields: []field{
		{Name: "password", Label: "field.password", Type: "password", Autocomplete: "current-password", Required: true, MaxLength: maxPasswordInput, Focus: true},
	}}
	if x.session.SecondFactor {
		f.Fields = append(f.Fields, codeField(false))
	}
	return f
}

func showSudo(x *exchange) error { return x.signInForm(http.StatusOK, "sudo", x.sudoForm()) }

func submitSudo(x *exchange) error {
	ticket, err := x.accounts.Confirm(x.ctx(), x.token(), x.secret("password"), x.secret("code"), x.origin())
	if err != nil {
		wrong := "sudo.wrong"
		if x.session.SecondFactor {
			wrong = "sudo.wrong_two"
		}
		return x.signInRefused("sudo", x.sudoForm(), wrong, err)
	}
	x.keep(ticket)
	x.setNotice("confirmed")
	return x.leadTo(x.returnTo())
}
