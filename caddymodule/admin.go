package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/portal"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

const (
	// adminPath is followed by the name of a call.
	adminPath = "/merchants/"
	// operatorHeader names the account on the machine for the audit trail. It is
	// believed: whoever may open the socket could run as that account anyway.
	operatorHeader = "X-Unk-Operator"
	maxOperator    = 100     // characters
	maxCallInput   = 1 << 19 // bytes: the longest event, escaped
)

// adminAPI lets the operator's commands, and anything else on the machine that
// may open the admin socket, use the control plane: POST /merchants/<call> with a
// JSON object.
//
// Caddy's admin endpoint knows no users. The mode of a unix socket can stand in
// for them, a TCP port cannot, so over TCP every call is refused.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.merchants",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Routes returns the admin route of the calls.
func (a *adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: adminPath, Handler: caddy.AdminHandlerFunc(a.serve)}}
}

// serve answers every request itself: an error handed back to Caddy would lose
// its code and its fields.
func (a *adminAPI) serve(w http.ResponseWriter, r *http.Request) error {
	out, err := a.answer(w, r)
	if err != nil {
		return writeCallError(w, r, err)
	}
	return writeJSON(w, http.StatusOK, out)
}

func (a *adminAPI) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := admitAdmin(r); err != nil {
		return nil, err
	}
	operator, err := operatorOf(r)
	if err != nil {
		return nil, err
	}
	c, ok := findCall(strings.TrimPrefix(r.URL.Path, adminPath))
	if !ok {
		return nil, controlplane.Errorf(controlplane.CodeNotFound, "this server does not know the call %q; is it of another version?", strings.TrimPrefix(r.URL.Path, adminPath))
	}
	input, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallInput))
	if err != nil {
		return nil, &controlplane.Error{Code: controlplane.CodeInvalid, Message: "the input could not be read: " + err.Error()}
	}
	do, err := c.prepare(input)
	if err != nil {
		return nil, err
	}
	n, err := activeNode(r.Context())
	if err != nil {
		return nil, err
	}
	return do(r.Context(), n, operator)
}

// admitAdmin lets in what came through a unix socket and not from a browser.
func admitAdmin(r *http.Request) error {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || local.Network() != "unix" {
		return controlplane.Errorf(controlplane.CodeDenied,
			"the merchants calls work only over a unix socket, whose file mode says who may use them; put \"admin unix//run/caddy/admin.sock\" into the global options of the Caddyfile and restart Caddy")
	}
	// A page in a browser behind some forwarder of the socket always sends one.
	if _, browser := r.Header["Origin"]; browser {
		return controlplane.Errorf(controlplane.CodeDenied, "requests of web pages (with an Origin header) are refused")
	}
	if r.Method != http.MethodPost {
		return controlplane.Errorf(controlplane.CodeInvalid, "use POST")
	}
	return nil
}

func operatorOf(r *http.Request) (controlplane.Actor, error) {
	name := r.Header.Get(operatorHeader)
	if name == "" || len(name) > maxOperator || strings.ContainsFunc(name, notPrintableASCII) {
		return controlplane.Actor{}, controlplane.Errorf(controlplane.CodeInvalid,
			"say who asks, for the audit trail: the header %s takes the name of an account, 1 to %d printable ASCII characters", operatorHeader, maxOperator)
	}
	return controlplane.LocalActor(name), nil
}

func notPrintableASCII(c rune) bool { return c < ' ' || c > '~' }

// startWait is how long a call waits for a server whose admin endpoint is up
// before its apps are. A first start with a million keys takes 5 s.
const startWait = 10 * time.Second

// activeNode finds the app of the configuration that is in force. The one known
// when the route was made may be of a configuration that was rejected since.
func activeNode(ctx context.Context) (callNode, error) {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	active := caddy.ActiveContext()
	for ; active.Context == nil; active = caddy.ActiveContext() {
		select {
		case <-ctx.Done():
			return callNode{}, controlplane.Errorf(controlplane.CodeUnavailable, "the server is still starting; try again")
		case <-time.After(20 * time.Millisecond):
		}
	}
	found, err := active.AppIfConfigured("merchants")
	if err != nil {
		return callNode{}, &controlplane.Error{Code: controlplane.CodeUnavailable, Message: "the configuration of this server has no merchants app", Err: err}
	}
	app, ok := found.(*App)
	if !ok {
		return callNode{}, fmt.Errorf("the merchants app is a %T", found)
	}
	n := app.node()
	if n == nil {
		return callNode{}, controlplane.Errorf(controlplane.CodeUnavailable, "the merchants app is not open; see the log of the server")
	}
	return callNode{n, app.nodeConfig()}, nil
}

type callError struct {
	Error *controlplane.Error `json:"error"`
}

// writeCallError keeps causes of internal errors to the log.
func writeCallError(w http.ResponseWriter, r *http.Request, err error) error {
	var e *controlplane.Error
	if !errors.As(err, &e) {
		e = &controlplane.Error{Code: controlplane.CodeInternal, Err: err}
	}
	if e.Code == controlplane.CodeInternal {
		caddy.Log().Named("admin.api.merchants").Error("call failed", zap.String("uri", r.URL.Path), zap.Error(err))
		e = controlplane.Errorf(controlplane.CodeInternal, "internal error; the log of the server says more")
	}
	return writeJSON(w, portal.StatusOf(e.Code), callError{e})
}

func writeJSON(w http.ResponseWriter, status int, out any) error {
	body, err := encodeJSON(out)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}

// encodeJSON leaves < > & as they are: no browser reads this.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

var _ caddy.AdminRouter = (*adminAPI)(nil)
