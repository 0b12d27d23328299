package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"path"
	"reflect"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Call carries an operation out.
type Call struct {
	Operation controlplane.Operation
	// Input and Output are structs, as JSON objects in the answer and the document.
	Input, Output reflect.Type
	// Do takes the input as one JSON object, and refuses fields that it does not
	// know. What it returns marshals to an Output.
	Do func(ctx context.Context, a controlplane.Actor, input []byte) (any, error)
}

// Config is what an API is made of. All but ClientIP and RequestID are required.
type Config struct {
	// Calls has one for each operation of [Routes]; others are left out.
	Calls []Call
	// Authenticate says as whom the holder of a staff token acts, or
	// [controlplane.CodeUnauthenticated].
	Authenticate func(ctx context.Context, token controlplane.Secret) (controlplane.Actor, error)
	Clock        func() time.Time
	Logger       *zap.Logger
	// ClientIP tells who sent a request, trusted proxies taken into account; nil
	// means the peer of the connection.
	ClientIP func(*http.Request) netip.Addr
	// RequestID is the id that access logs know a request by; nil means that the API
	// draws one.
	RequestID func(*http.Request) string
}

// api is the handler. Nothing in it changes after New but the count of wrong tokens.
type api struct {
	Config
	calls    map[controlplane.Operation]Call
	mux      *http.ServeMux
	document []byte
	wrong    *throttle
}

// New returns the handler of everything below [Prefix].
func New(c Config) (http.Handler, error) {
	if c.Authenticate == nil || c.Clock == nil || c.Logger == nil {
		return nil, errors.New("admin API: a part is missing")
	}
	if c.ClientIP == nil {
		c.ClientIP = peerIP
	}
	a := &api{Config: c, calls: map[controlplane.Operation]Call{}, mux: http.NewServeMux(), wrong: newThrottle(c.Clock)}
	if c.RequestID == nil {
		a.RequestID = a.newRequestID
	}
	for _, call := range c.Calls {
		a.calls[call.Operation] = call
	}
	a.mount(Routes())
	var err error
	a.document, err = a.describe(Routes())
	return a, err
}

func peerIP(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}

func (a *api) newRequestID(*http.Request) string {
	id, err := controlplane.NewID(controlplane.PrefixRequest, a.Clock(), rand.Reader)
	if err != nil {
		return ""
	}
	return id
}

// mount makes the mux. Methods are ours to tell apart, so that a wrong one is
// answered in the one shape that errors have.
func (a *api) mount(rows []Route) {
	places := map[string]map[string]Route{}
	for _, r := range rows {
		if places[r.Path] == nil {
			places[r.Path] = map[string]Route{}
		}
		places[r.Path][r.Method] = r
	}
	for pattern, methods := range places {
		a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, methods) })
	}
	a.mux.HandleFunc(DocumentPath, a.serveDocument)
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, nil) })
}

// ServeHTTP refuses a path that is not in its clean form, which the mux would
// answer with a redirect, and leaves the others to the mux.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	if escaped := r.URL.EscapedPath(); path.Clean(escaped) != escaped {
		a.serve(w, r, nil)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// setHeaders runs before anything can answer.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// exchange is one request and its answer.
type exchange struct {
	*api
	w     http.ResponseWriter
	r     *http.Request
	route Route
	actor controlplane.Actor
	ip    netip.Addr
	id    string

	status int
	cause  error
}

// serve answers one request of an address, which has a route for each method; nil
// is an address that nobody has.
func (a *api) serve(w http.ResponseWriter, r *http.Request, methods map[string]Route) {
	x := &exchange{api: a, w: w, r: r, ip: a.ClientIP(r), id: a.RequestID(r)}
	w.Header().Set("X-Unk-Request-Id", x.id)
	started := a.Clock()
	defer func() { x.log(a.Clock().Sub(started)) }()
	defer x.recoverPanic()
	out, err := x.answer(methods)
	if err != nil {
		x.fail(err)
		return
	}
	x.write(x.successStatus(), "application/json", out)
}

// answer decides everything in the order in which it holds: who asks comes before
// what for, so a stranger learns not even which addresses there are.
func (x *exchange) answer(methods map[string]Route) (any, error) {
	if err := x.notABrowser(); err != nil {
		return nil, err
	}
	if err := x.authenticate(); err != nil {
		return nil, err
	}
	if methods == nil {
		return nil, controlplane.Errorf(controlplane.CodeNotFound, "there is nothing at this address; GET %s lists the addresses", DocumentPath)
	}
	var known bool
	if x.route, known = methods[method(x.r)]; !known {
		return nil, wrongMethod(methods)
	}
	call := x.calls[x.route.Operation]
	input, err := x.input(call)
	if err != nil {
		return nil, err
	}
	return call.Do(x.r.Context(), x.actor, input)
}

// method takes HEAD for GET: net/http leaves the body out.
func method(r *http.Request) string {
	if r.Method == http.MethodHead {
		return get
	}
	return r.Method
}

func (x *exchange) successStatus() int {
	if x.route.Creates {
		return http.StatusCreated
	}
	return http.StatusOK
}

// write encodes first, so that what fails is not half an answer.
func (x *exchange) write(status int, media string, out any) {
	body, err := encode(out)
	if err != nil {
		x.cause = errors.Join(x.cause, err)
		status, body = http.StatusInternalServerError, []byte(`{"code":"INTERNAL","status":500,"title":"Internal Server Error"}`+"\n")
		media = problemMedia
	}
	x.status = status
	x.w.Header().Set("Content-Type", media)
	x.w.WriteHeader(status)
	if _, err := x.w.Write(body); err != nil && x.cause == nil {
		x.cause = fmt.Errorf("write the answer: %w", err)
	}
}

// encode leaves < > & as they are: no browser reads this.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return []byte(b.String()), err
}

// serveDocument needs no token: the document says what the source says.
func (a *api) serveDocument(w http.ResponseWriter, r *http.Request) {
	if method(r) != get {
		a.serve(w, r, map[string]Route{get: {}})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(w, strings.NewReader(string(a.document))); err != nil {
		a.Logger.Debug("the admin API's document was not read to its end", zap.Error(err))
	}
}
