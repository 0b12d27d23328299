package caddymodule

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/portal/api"
)

// adminAPI is what programs use on the console's host.
func (n callNode) adminAPI(logger *zap.Logger) (http.Handler, error) {
	return api.New(api.Config{
		Calls: n.apiCalls(), Authenticate: n.service.AuthenticateStaffToken, Clock: time.Now, Logger: logger,
		ClientIP: clientIP, RequestID: portalRequestID,
	})
}

// apiCalls are the calls as the admin API takes them. It uses those that it has a
// route for.
func (n callNode) apiCalls() []api.Call {
	var all []api.Call
	for _, c := range calls() {
		all = append(all, api.Call{
			Operation: c.name, Input: c.input, Output: c.output,
			Do: func(ctx context.Context, a controlplane.Actor, input []byte) (any, error) {
				do, err := c.prepare(input)
				if err != nil {
					return nil, err
				}
				return do(ctx, n, a)
			},
		})
	}
	return all
}
