package portal

import (
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

//go:embed ui/html ui/static ui/text
var uiFiles embed.FS

// Config is what a portal is made of.
type Config struct {
	Service  *controlplane.Service
	Accounts Accounts
	Clock    func() time.Time
	// Random must be safe for concurrent use; nil means crypto/rand.
	Random io.Reader
	Logger *zap.Logger
	// ClientIP tells who sent a request, trusted proxies taken into account; nil
	// means the peer of the connection.
	ClientIP func(*http.Request) netip.Addr
	// TestURL is where a gateway takes requests signed with test keys, without a
	// path, as the quickstart shows it; empty: https://api.example.com.
	TestURL string
	// Status says how the server is doing, for the console; nil: nobody knows.
	Status StatusSource
	// RequestID is the id that access logs know a request by; nil means that the
	// portal draws one.
	RequestID func(*http.Request) string
}

// portal is the handler. Nothing in it changes after New but what is spent.
type portal struct {
	audience
	service     *controlplane.Service
	accounts    Accounts
	clock       func() time.Time
	random      io.Reader
	logger      *zap.Logger
	clientIP    func(*http.Request) netip.Addr
	requestID   func(*http.Request) string
	testURL     *url.URL
	status      StatusSource
	mux         *http.ServeMux
	crossOrigin *http.CrossOriginProtection
	table       *table
	targets     map[string]string
	texts       *catalogue
	assets      *assets
	views       views
	once        *onceForms
	// testPatience is how long the test button waits for its result.
	testPatience time.Duration
}

// New returns the merchants' portal, the handler of a host of its own: its cookies
// and links assume that it is mounted at the root and reached over HTTPS.
func New(c Config) (http.Handler, error) { return newFor(merchants(), c) }

// NewConsole returns the platform's console, the handler of another host of its
// own. Its Accounts are the staff's.
func NewConsole(c Config) (http.Handler, error) { return newFor(platform(), c) }

func newFor(a audience, c Config) (http.Handler, error) {
	if c.Service == nil || c.Accounts == nil || c.Clock == nil || c.Logger == nil {
		return nil, errors.New("portal: a part is missing")
	}
	p := &portal{
		audience: a,
		service:  c.Service, accounts: c.Accounts, clock: c.Clock, random: c.Random, logger: c.Logger,
		clientIP: c.ClientIP, requestID: c.RequestID, status: c.Status,
		mux: http.NewServeMux(), crossOrigin: http.NewCrossOriginProtection(), once: newOnceForms(c.Clock),
		testPatience: testPatience,
	}
	p.preset()
	var err error
	if p.testURL, err = gatewayURL(c.TestURL); err != nil {
		return nil, err
	}
	files, err := fs.Sub(uiFiles, "ui")
	if err != nil {
		return nil, err
	}
	return p, errors.Join(p.loadTable(a.routes), p.loadUI(files))
}

func (p *portal) preset() {
	if p.random == nil {
		p.random = rand.Reader
	}
	if p.clientIP == nil {
		p.clientIP = peerIP
	}
	if p.requestID == nil {
		p.requestID = p.newRequestID
	}
}

func peerIP(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // not a network peer; throttled together
	}
	return peer.Addr().Unmap()
}

func (p *portal) newRequestID(*http.Request) string {
	id, err := controlplane.NewID(controlplane.PrefixRequest, p.clock(), p.random)
	if err != nil {
		return "" // without randomness the request fails where it needs some
	}
	return id
}

// place is a path with its routes by method.
type place struct {
	env    controlplane.Environment
	routes map[string]*Route
	allow  string
}

// loadTable makes the mux of the route table. {env} becomes two literal paths, so
// that no wildcard stands in the first segment, where it would collide with every
// other page; methods are ours to tell apart, or the 405 of a path would collide
// with the GET of a wildcard beside it.
func (p *portal) loadTable(rows []Route) (err error) {
	if p.table, err = newTable(rows); err != nil {
		return err
	}
	p.targets = returnTargets(p.table)
	places := map[string]*place{}
	for i := range p.table.rows {
		r := &p.table.rows[i]
		for _, env := range r.environments() {
			at := places[r.pattern(env)]
			if at == nil {
				at = &place{env: env, routes: map[string]*Route{}}
				places[r.pattern(env)] = at
			}
			if at.routes[r.Method] != nil {
				return fmt.Errorf("routes %s and %s have one address", r.Name, at.routes[r.Method].Name)
			}
			at.routes[r.Method], at.allow = r, joinMethods(at.allow, r.Method)
		}
	}
	for pattern, at := range places {
		p.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { p.serveAt(w, r, at) })
	}
	p.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, nil, "") })
	return nil
}

func (p *portal) serveAt(w http.ResponseWriter, r *http.Request, at *place) {
	method := r.Method
	if method == http.MethodHead {
		method = get
	}
	route := at.routes[method]
	if route == nil {
		p.serve(w, r, nil, at.allow)
		return
	}
	r.SetPathValue("env", string(at.env))
	p.serve(w, r, route, "")
}

func joinMethods(list, method string) string {
	if method == get {
		method = "GET, HEAD"
	}
	if list == "" {
		return method
	}
	return list + ", " + method
}

func (p *portal) loadUI(files fs.FS) (err error) {
	if p.texts, err = loadCatalogue(files, p.textsFolder); err != nil {
		return err
	}
	if p.assets, err = loadAssets(files); err != nil {
		return err
	}
	p.views, err = loadViews(files, p.texts, p.assets)
	return err
}

// ServeHTTP refuses a path that is not in its clean form, which the mux would
// answer with a redirect made of it, and leaves the others to the mux.
func (p *portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" && path.Clean(r.URL.Path) != r.URL.Path {
		p.serve(w, r, nil, "")
		return
	}
	p.mux.ServeHTTP(w, r)
}
