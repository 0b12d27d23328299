package portal

import "net/http"

// loginPage asks for username and password.
type loginPage struct{ form }

func showLogin(x *exchange) error {
	return x.render(http.StatusOK, "login", loginPage{loginForm()})
}

func loginForm() form {
	return form{Fields: []field{
		{Name: "username", Label: "login.username", Autocomplete: "username", Required: true, MaxLength: 64, Focus: true},
		{Name: "password", Label: "login.password", Type: "password", Autocomplete: "current-password", Required: true},
	}}
}
