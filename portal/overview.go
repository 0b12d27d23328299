package portal

import "net/http"

// overviewPage is the page after sign-in.
type overviewPage struct{}

func showOverview(x *exchange) error {
	return x.render(http.StatusOK, "overview", overviewPage{})
}
