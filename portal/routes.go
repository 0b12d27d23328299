package portal

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	get  = http.MethodGet
	post = http.MethodPost
)

// Routes returns the route table.
func Routes() []Route {
	return slices.Concat(everyonesRoutes(), signInRoutes(), merchantRoutes(), requestRoutes(), webhookRoutes(), companyRoutes(), accountRoutes())
}

func everyonesRoutes() []Route {
	return []Route{
		{Name: "static", Method: get, Path: "/static/{file}", States: stateAny, handle: serveAsset},
		{Name: "preferences.save", Method: post, Path: "/preferences", States: stateAny, handle: savePreferences},
	}
}

func signInRoutes() []Route {
	return []Route{
		{Name: "login", Method: get, Path: "/login", States: StateAnonymous, handle: showLogin},
		{Name: "login.submit", Method: post, Path: "/login", States: StateAnonymous, Form: "login", handle: submitLogin},
		{Name: "login.code", Method: get, Path: "/login/code", States: StateCode, handle: showCode},
		{Name: "login.code.submit", Method: post, Path: "/login/code", States: StateCode, Form: "login.code", handle: submitCode},
		{Name: "login.recovery", Method: get, Path: "/login/recovery", States: StateCode, handle: showRecovery},
		{Name: "login.recovery.submit", Method: post, Path: "/login/recovery", States: StateCode, Form: "login.recovery", handle: submitRecovery},
		{Name: "password", Method: get, Path: "/password", States: StatePassword | StateActive, handle: showPassword},
		{Name: "password.submit", Method: post, Path: "/password", States: StatePassword | StateActive, Form: "password", handle: submitPassword},
		{Name: "sudo", Method: get, Path: "/sudo", States: StateActive, handle: showSudo},
		{Name: "sudo.submit", Method: post, Path: "/sudo", States: StateActive, Form: "sudo", handle: submitSudo},
		{Name: "logout", Method: post, Path: "/logout", States: StateCode | StatePassword | StateEnrol | StateActive, Form: "login", handle: submitLogout},
	}
}

// accountRoutes are about the reader's own account, whatever their role.
func accountRoutes() []Route {
	return []Route{
		{Name: "account", Method: get, Path: "/account", States: StateActive, handle: showAccount},
		{Name: "account.2fa", Method: get, Path: "/account/2fa", States: StateEnrol | StateActive, handle: showFactor},
		{Name: "account.2fa.begin", Method: post, Path: "/account/2fa/begin", States: StateEnrol | StateActive, Sudo: true, Form: "account.2fa", handle: beginEnrolment},
		{Name: "account.2fa.finish", Method: post, Path: "/account/2fa/finish", States: StateEnrol | StateActive, Sudo: true, Form: "account.2fa", handle: finishEnrolment},
		{Name: "account.2fa.remove", Method: post, Path: "/account/2fa/remove", States: StateActive, Sudo: true, Form: "account.2fa", handle: removeFactor},
		{Name: "account.2fa.codes", Method: post, Path: "/account/2fa/codes", States: StateActive, Sudo: true, Form: "account.2fa", handle: renewCodes},
		{Name: "account.sessions", Method: get, Path: "/account/sessions", States: StateActive, handle: showSessions},
		{Name: "account.sessions.end", Method: post, Path: "/account/sessions/{id}/end", States: StateActive, Form: "account.sessions", handle: endSession},
		{Name: "account.sessions.others", Method: post, Path: "/account/sessions/end-others", States: StateActive, Form: "account.sessions", handle: endOtherSessions},
		{Name: "account.signins", Method: get, Path: "/account/sign-ins", States: StateActive, handle: showSignIns},
		{Name: "account.preferences", Method: get, Path: "/account/preferences", States: StateActive, handle: showPreferences},
	}
}

// table is the route table made ready for look-ups.
type table struct {
	rows   []Route
	byName map[string]*Route
}

// newTable fills in the permissions and refuses a table that contradicts itself.
func newTable(rows []Route) (*table, error) {
	permissions := map[controlplane.Operation]controlplane.Permission{}
	for _, p := range controlplane.Permissions() {
		permissions[p.Operation] = p
	}
	t := &table{rows: rows, byName: map[string]*Route{}}
	for i := range rows {
		r := &rows[i]
		p, known := permissions[r.Operation]
		if r.Operation != "" && !known {
			return nil, fmt.Errorf("route %s: no operation %q in the permission table", r.Name, r.Operation)
		}
		if t.byName[r.Name] != nil {
			return nil, fmt.Errorf("two routes are called %s", r.Name)
		}
		r.permission = p
		t.byName[r.Name] = r
	}
	return t, t.check()
}

// serves reports whether any page or form of the portal is for the operation.
func (t *table) serves(op controlplane.Operation) bool {
	return slices.ContainsFunc(t.rows, func(r Route) bool { return r.Operation == op })
}

// leadsBack reports whether the address of a route says all that is needed for
// that of the page with its form.
func (t *table) leadsBack(r Route) bool {
	form := t.byName[r.Form]
	if form == nil || form.Method != get {
		return false
	}
	own := wildcards(r.Path)
	return !slices.ContainsFunc(wildcards(form.path("")), func(name string) bool { return !slices.Contains(own, name) })
}

func (t *table) check() error {
	for _, r := range t.rows {
		if r.handle == nil || r.States == 0 || (r.Method != get && r.Method != post) {
			return fmt.Errorf("route %s has no handler, no state or no method", r.Name)
		}
		if r.NeedsSudo() && r.Method == post && !t.leadsBack(r) {
			return fmt.Errorf("route %s needs sudo but names no form page to come back to", r.Name)
		}
	}
	return nil
}
