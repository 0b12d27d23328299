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
	return slices.Concat(everyonesRoutes(), signInRoutes(), merchantRoutes(), accountRoutes())
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
	}
}

// merchantRoutes are the pages about the merchant's data, in the order of the
// navigation.
func merchantRoutes() []Route {
	return []Route{
		{Name: "overview", Method: get, Path: "/{$}", States: StateActive, Operation: controlplane.OpMerchantView, Nav: "home", handle: showOverview},
	}
}

func accountRoutes() []Route {
	return []Route{}
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

func (t *table) check() error {
	for _, r := range t.rows {
		if r.handle == nil || r.States == 0 || (r.Method != get && r.Method != post) {
			return fmt.Errorf("route %s has no handler, no state or no method", r.Name)
		}
		if r.NeedsSudo() && r.Method == post && (t.byName[r.Form] == nil || !t.byName[r.Form].addressable()) {
			return fmt.Errorf("route %s needs sudo but names no form page to come back to", r.Name)
		}
	}
	return nil
}
