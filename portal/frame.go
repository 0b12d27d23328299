package portal

import (
	"fmt"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// frame is what surrounds every page.
type frame struct {
	Language  string
	Languages []choice
	Theme     string
	View      string
	Title     string
	// Failed marks the title of a page with a refused form, which screen readers
	// say first.
	Failed bool
	Notice string

	// SignedIn pages have the navigation; the others only the sign.
	SignedIn     bool
	Username     string
	MerchantName string
	Suspended    bool
	// Staff pages are the console's.
	Staff     bool
	Env       controlplane.Environment
	EnvSwitch []link
	Nav       []link
	// Here is what the language form leads back to.
	Here string
}

// link is an entry of the navigation; Icon names a drawing and a text.
type link struct {
	Href    string
	Icon    string
	Name    string
	Current bool
}

// choice is a language on offer.
type choice struct {
	Tag     string
	Current bool
}

// titled pages have a title that depends on what they show.
type titled interface {
	title() (key string, args []any)
}

// failing pages hold a form that may have been refused.
type failing interface{ Failed() bool }

func (x *exchange) frame(view string, page any) (frame, error) {
	f := frame{
		Language: x.lang.tag, Theme: x.prefs.Theme, View: view, Notice: x.takeNotice(),
		SignedIn: x.session.State == StateActive,
	}
	for _, l := range x.texts.languages {
		f.Languages = append(f.Languages, choice{l.tag, l == x.lang})
	}
	key, args := view+".title", []any(nil)
	if p, ok := page.(titled); ok {
		key, args = p.title()
	}
	var err error
	if f.Title, err = x.text(key, args...); err != nil {
		return f, fmt.Errorf("title of %s: %w", view, err)
	}
	if p, ok := page.(failing); ok {
		f.Failed = p.Failed()
	}
	// An error page about an id is the same whichever it is.
	if x.route != nil && (view != "error" || x.route.addressable()) {
		f.Here = x.returnName()
	}
	if f.SignedIn {
		x.fillNavigation(&f)
	}
	return f, nil
}

// fillNavigation adds what a signed-in reader may go to.
func (x *exchange) fillNavigation(f *frame) {
	s := x.session
	f.Username, f.MerchantName, f.Suspended, f.Staff = s.Username, s.MerchantName, s.Suspended, x.staff
	f.Env = x.navEnv()
	for i := range x.table.rows {
		r := &x.table.rows[i]
		if r.Nav != "" && r.allows(s.Role) {
			f.Nav = append(f.Nav, link{Href: r.path(f.Env), Icon: r.Nav, Name: r.Name, Current: x.within(r)})
		}
	}
	if x.route == nil || x.route.Method != get || !x.route.perEnvironment() || !x.route.addressable() {
		return
	}
	for _, env := range x.route.environments() {
		f.EnvSwitch = append(f.EnvSwitch, link{Href: x.route.path(env), Name: string(env), Current: env == f.Env})
	}
}

// navEnv is the environment that links lead to: that of the page, or test, where
// nothing costs money.
func (x *exchange) navEnv() controlplane.Environment {
	if env := x.env(); env.Valid() {
		return env
	}
	return controlplane.Test
}

// within reports whether the present page is r or one below it.
func (x *exchange) within(r *Route) bool {
	if x.route == nil {
		return false
	}
	here := x.route.Name
	return here == r.Name || len(here) > len(r.Name) && here[:len(r.Name)+1] == r.Name+"."
}
