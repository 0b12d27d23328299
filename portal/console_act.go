package portal

import (
	"net/http"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// act is one change that staff makes: a page that says what will happen and asks for
// what is needed, and its form. Its texts are "act.<name>.title", ".what" and
// ".submit".
type act struct {
	name, path string
	operation  controlplane.Operation
	// find says what is acted on; where there is no such thing, there is no page.
	find func(x *exchange) (subject, error)
	// ask is what the form asks for; nil: nothing.
	ask func(x *exchange, s subject) []field
	// run carries it out and answers.
	run func(x *exchange, s subject) error
	// stops: something stops working.
	stops bool
	// once: the answer reveals a secret.
	once bool
	// eyes: it may have to wait for a second pair of them.
	eyes bool
}

// subject is what an act is about.
type subject struct {
	// Name is what people call it.
	Name string
	// Back is the page that it is seen on.
	Back string

	merchant controlplane.Merchant
	entry    controlplane.AllowlistEntry
	request  controlplane.AllowlistRequest
	user     controlplane.UserView
	member   controlplane.StaffView
	approval controlplane.Approval
	token    controlplane.ServiceToken
	// Simulation is what the act would have done to yesterday's requests; nil: it
	// does nothing to requests.
	Simulation *simulation
}

// actPage is the page of an act.
type actPage struct {
	form
	act     string
	Subject subject
	Action  string
	Stops   bool
}

func (p actPage) What() string   { return "act." + p.act + ".what" }
func (p actPage) Submit() string { return "act." + p.act + ".submit" }

func (p actPage) title() (string, []any) {
	return "act." + p.act + ".title", []any{"name", p.Subject.Name}
}

func (a act) show(x *exchange) error {
	s, err := a.find(x)
	if err != nil {
		return err
	}
	p, err := a.page(x, s)
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "console.act", p)
}

func (a act) submit(x *exchange) error {
	s, err := a.find(x)
	if err != nil {
		return err
	}
	refused := a.run(x, s)
	if refused == nil {
		return nil
	}
	p, err := a.page(x, s)
	if err != nil {
		return err
	}
	return x.putRight(&p.form, refused, func() error { return x.render(http.StatusUnprocessableEntity, "console.act", p) })
}

func (a act) page(x *exchange, s subject) (p actPage, err error) {
	p = actPage{act: a.name, Subject: s, Action: x.r.URL.Path, Stops: a.stops}
	if a.ask != nil {
		p.Fields = a.ask(x, s)
	}
	if a.eyes && x.session.Role == controlplane.RolePlatformAdmin {
		p.Fields = append(p.Fields, field{
			Name: "break_glass", Label: "field.break_glass", Hint: "field.break_glass.hint", Value: x.typed("break_glass", ""), Autocomplete: "off", MaxLength: maxReasonInput,
		})
	}
	if a.once {
		p.OnceID, err = x.newOnceID()
	}
	return p, err
}

// typed is what a field holds: what was sent, or what there is now.
func (x *exchange) typed(name, now string) string {
	if x.r.Method == post {
		return x.value(name)
	}
	return now
}

// newPasswordPage shows a generated password, this once.
type newPasswordPage struct {
	Username, Password string
	Expires            time.Time
	Back               string
}

// revealPassword answers with the password of an account, or with "done already" if
// the form was sent before.
func (x *exchange) revealPassword(back string, run func() (controlplane.NewAccount, error)) error {
	account, first, err := revealOnce(x, run)
	if err != nil {
		return err
	}
	if !first {
		return x.render(http.StatusConflict, "shown", shownPage{back})
	}
	return x.showNewPassword(back, account)
}

func (x *exchange) showNewPassword(back string, a controlplane.NewAccount) error {
	return x.render(http.StatusOK, "console.password", newPasswordPage{a.Username, a.InitialPassword.Reveal(), a.ExpiresAt, back})
}

// roleField offers roles.
func (x *exchange) roleField(now controlplane.Role, roles ...controlplane.Role) field {
	f := field{Name: "role", Label: "column.role"}
	chosen := x.typed("role", string(now))
	for _, r := range roles {
		f.Options = append(f.Options, option{string(r), "role." + string(r), string(r) == chosen})
	}
	return f
}

func (x *exchange) usernameField() field {
	return field{
		Name: "username", Label: "field.username", Hint: "field.new_username.hint", Value: x.typed("username", ""), Autocomplete: "off", Required: true,
		MaxLength: maxUsername, Focus: true,
	}
}

func (x *exchange) emailField() field {
	return field{Name: "email", Label: "field.email", Hint: "field.email.hint", Type: "email", Value: x.typed("email", ""), Autocomplete: "off", MaxLength: maxEmail}
}

const maxEmail = 254

// doneTo leads to a page of the console with a notice on it.
func (x *exchange) doneTo(notice, href string) error {
	x.setNotice(notice)
	http.Redirect(x.w, x.r, href, http.StatusSeeOther)
	return nil
}

// at is the address of a page, with the ids in it.
func (x *exchange) at(route string, ids ...string) string {
	path := x.table.byName[route].path("")
	for _, id := range ids {
		path, _ = fill(path, id)
	}
	return path
}
