package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// consolePage is where staff begins: what waits for them.
type consolePage struct {
	MayCreate bool
	Waiting   []approvalRow
	Glass     []approvalRow
	Requests  int
}

func showConsole(x *exchange) (err error) {
	page := consolePage{MayCreate: x.offers("merchants.new.submit")}
	if page.Waiting, err = x.waitingApprovals(); err != nil {
		return err
	}
	if page.Glass, err = x.brokenGlass(); err != nil {
		return err
	}
	queue, err := x.service.AllowlistQueue(x.ctx(), x.actor(), controlplane.Page{})
	if err != nil {
		return err
	}
	page.Requests = len(queue)
	return x.render(http.StatusOK, "console", page)
}
