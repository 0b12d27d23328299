package portal

import (
	"net/http"
)

// askSudo leads to the confirmation and remembers the page with the form.
func (x *exchange) askSudo() error {
	http.Redirect(x.w, x.r, "/sudo?return_to="+x.returnName(), http.StatusSeeOther)
	return nil
}
