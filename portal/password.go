package portal

import "net/http"

// passwordPage chooses a new password.
type passwordPage struct {
	signInPage
	// Forced: nothing else works until it is done.
	Forced bool
}

func passwordForm() form {
	return form{Fields: []field{
		{Name: "current", Label: "field.current_password", Type: "password", Autocomplete: "current-password", Required: true, MaxLength: maxPasswordInput, Focus: true},
		{Name: "new", Label: "field.new_password", Hint: "field.new_password.hint", Type: "password", Autocomplete: "new-password", Required: true, MaxLength: maxPasswordInput},
		{Name: "repeat", Label: "field.repeat_password", Type: "password", Autocomplete: "new-password", Required: true, MaxLength: maxPasswordInput},
	}}
}

func showPassword(x *exchange) error { return x.passwordForm(http.StatusOK, passwordForm()) }

func (x *exchange) passwordForm(status int, f form) error {
	return x.render(status, "password", passwordPage{
		signInPage: signInPage{form: f, ReturnTo: x.returnTo(), Username: x.session.Username},
		Forced:     x.session.State == StatePassword,
	})
}

func submitPassword(x *exchange) error {
	f := passwordForm()
	if x.r.PostForm.Get("new") != x.r.PostForm.Get("repeat") {
		if err := x.markField(&f, "repeat", "password.differs"); err != nil {
			return err
		}
		return x.passwordForm(http.StatusUnprocessableEntity, f)
	}
	ticket, err := x.accounts.ChangePassword(x.ctx(), x.token(), x.secret("current"), x.secret("new"), x.origin())
	if err != nil {
		return x.passwordRefused(f, err)
	}
	x.setNotice("password_changed")
	return x.proceed(ticket)
}

// passwordRefused tells a wrong present password from a new one that breaks a
// rule: the reader is signed in, and must know which to put right.
func (x *exchange) passwordRefused(f form, err error) error {
	handled, failure := x.blame(&f, err, map[string]string{"password": "new"})
	if failure != nil {
		return failure
	}
	if handled {
		return x.passwordForm(http.StatusUnprocessableEntity, f)
	}
	status, text, handled := x.explainRefusal("password.wrong", err)
	if !handled {
		return err
	}
	f.mark("current", text)
	return x.passwordForm(status, f)
}

// markField puts an error of the catalogue on a field.
func (x *exchange) markField(f *form, name, key string, args ...any) error {
	text, err := x.text(key, args...)
	if err != nil {
		return err
	}
	f.mark(name, text)
	return nil
}
