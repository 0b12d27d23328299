package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
)

// accountPage is the reader's own account at a glance.
type accountPage struct {
	Tabs     []link
	Username string
	Role     controlplane.Role
	Merchant string
	Factor   account.Factor
}

func showAccount(x *exchange) error {
	factor, err := x.accounts.Factor(x.ctx(), x.token())
	if err != nil {
		return err
	}
	s := x.session
	return x.render(http.StatusOK, "account", accountPage{x.accountTabs(), s.Username, s.Role, s.MerchantName, factor})
}

// accountTabs are the pages of the account.
func (x *exchange) accountTabs() []link {
	var tabs []link
	for _, name := range []string{"account", "account.2fa", "account.sessions", "account.signins", "account.preferences"} {
		r := x.table.byName[name]
		current := x.route == r || x.route.Form == name
		tabs = append(tabs, link{Href: r.path(""), Name: name, Current: current})
	}
	return tabs
}

// sessionsPage lists the browsers that are signed in.
type sessionsPage struct {
	Tabs     []link
	Sessions []sessionRow
	Others   bool
}

type sessionRow struct {
	account.OpenSession
	Device device
}

func showSessions(x *exchange) error {
	open, err := x.accounts.Sessions(x.ctx(), x.token())
	if err != nil {
		return err
	}
	page := sessionsPage{Tabs: x.accountTabs(), Others: len(open) > 1}
	for _, s := range open {
		page.Sessions = append(page.Sessions, sessionRow{s, parseDevice(s.UserAgent)})
	}
	return x.render(http.StatusOK, "account.sessions", page)
}

func endSession(x *exchange) error {
	if err := x.accounts.EndSession(x.ctx(), x.token(), x.r.PathValue("id"), x.origin()); err != nil {
		return err
	}
	return x.done("session_ended", "account.sessions", "")
}

func endOtherSessions(x *exchange) error {
	if err := x.accounts.EndOtherSessions(x.ctx(), x.token(), x.origin()); err != nil {
		return err
	}
	return x.done("sessions_ended", "account.sessions", "")
}

// signInsPage is the history of attempts on the account.
type signInsPage struct {
	Tabs    []link
	SignIns []signInRow
	Empty   empty
}

type signInRow struct {
	controlplane.SignIn
	Device device
	Badge  badge
}

func showSignIns(x *exchange) error {
	records, err := x.accounts.SignIns(x.ctx(), x.token())
	if err != nil {
		return err
	}
	page := signInsPage{Tabs: x.accountTabs(), Empty: empty{"device", "account.signins.none", "account.signins.none_next"}}
	for _, r := range records {
		page.SignIns = append(page.SignIns, signInRow{r, parseDevice(r.UserAgent), signInBadge(r.Outcome)})
	}
	return x.render(http.StatusOK, "account.signins", page)
}

func signInBadge(o controlplane.Outcome) badge {
	switch o {
	case controlplane.OutcomeOK:
		return badge{"good", "account.signins.ok"}
	case controlplane.OutcomeDenied:
		return badge{"warn", "account.signins.paused"}
	}
	return badge{"bad", "account.signins.failed"}
}

// preferencesPage holds the choices that live in this browser.
type preferencesPage struct {
	form
	Tabs []link
}

func showPreferences(x *exchange) error {
	language := field{Name: "language", Label: "field.language"}
	for _, l := range x.texts.languages {
		language.Options = append(language.Options, option{l.tag, "language." + l.tag, l == x.lang})
	}
	theme := field{Name: "theme", Label: "field.theme"}
	for _, t := range []string{"auto", "light", "dark"} {
		theme.Options = append(theme.Options, option{t, "theme." + t, t == x.prefs.Theme})
	}
	return x.render(http.StatusOK, "account.preferences", preferencesPage{form{Fields: []field{language, theme}}, x.accountTabs()})
}
