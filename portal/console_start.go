package portal

import "net/http"

// consolePage is where staff begins.
type consolePage struct {
	MayCreate bool
}

func showConsole(x *exchange) error {
	return x.render(http.StatusOK, "console", consolePage{MayCreate: x.offers("merchants.new.submit")})
}
