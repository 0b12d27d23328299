package api

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Prefix is where the routes begin.
const Prefix = "/v1/admin"

// DocumentPath is where the OpenAPI document is.
const DocumentPath = Prefix + "/openapi.json"

// Repeat says what happens when a request is sent twice, since a client that got no
// answer does not know whether it was carried out.
type Repeat string

const (
	// RepeatRead changes nothing at all.
	RepeatRead Repeat = "Changes nothing."
	// RepeatConflict answers the second time with 409: it is done already.
	RepeatConflict Repeat = "Sent again, it answers 409 CONFLICT and changes nothing: it is done already."
	// RepeatGone answers the second time with 404.
	RepeatGone Repeat = "Sent again, it answers 404 NOT_FOUND: it is gone already."
	// RepeatNothing answers the second time with 400: nothing is left to be done.
	RepeatNothing Repeat = "Sent again, it answers 400 INVALID: nothing is left to be done."
	// RepeatSame leaves the second time what the first left.
	RepeatSame Repeat = "Sent again, it leaves things as they are."
	// RepeatAgain does it a second time.
	RepeatAgain Repeat = "Sent again, it is carried out again: look before you repeat it."
)

// Route is one row of the route table.
type Route struct {
	Method string
	// Path begins with [Prefix]; its wildcards are fields of the operation's input.
	Path      string
	Operation controlplane.Operation
	Summary   string
	Repeat    Repeat
	// Creates: it answers 201.
	Creates bool
}

// wildcards are the fields of the input that stand in the path.
func (r Route) wildcards() []string {
	var names []string
	for _, m := range regexp.MustCompile(`\{([a-z_]+)\}`).FindAllStringSubmatch(r.Path, -1) {
		names = append(names, m[1])
	}
	return names
}

// hasBody reports whether the rest of the input is the body, and not the query.
func (r Route) hasBody() bool {
	return r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch
}

// id is the name of the route in the document: that of the operation, and what the
// entry is named by where an operation has two routes.
func (r Route) id() string {
	id := strings.ReplaceAll(string(r.Operation), ".", "_")
	if r.Operation == controlplane.OpAllowlistRemove && !strings.Contains(r.Path, "{entry_id}") {
		id += "_by_cidr"
	}
	return id
}

// tag groups the routes of the document.
func (r Route) tag() string {
	thing, _, _ := strings.Cut(string(r.Operation), ".")
	return thing
}
