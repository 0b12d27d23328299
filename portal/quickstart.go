package portal

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/unknownpay/merchant-gateway/clients"
	"github.com/unknownpay/merchant-gateway/controlplane"
)

// quickstartPage leads to a first signed request with the merchant's own key id.
type quickstartPage struct {
	// Key is the active test key, or nil.
	Key     *keyView
	KeysURL string
	KeyID   string
	Entries int
	// URL, Host and Target are of the request that the walk-through signs.
	URL, Host, Target string
	Languages         []sampleLink
	Sample            sample
}

type sampleLink struct {
	Href, Name string
	Current    bool
}

// sample is one language's files, as they are tested, and how to run them.
type sample struct {
	clients.Language
	Library, Example string
}

// exampleAPI stands in the walk-through where the operator names no gateway.
const (
	exampleAPI    = "https://api.example.com"
	exampleTarget = "/v1/payments"
	exampleKeyID  = "unk_test_…"
)

// gatewayURL refuses an address that the walk-through could not sign for.
func gatewayURL(text string) (*url.URL, error) {
	u, err := url.Parse(cmp.Or(text, exampleAPI))
	if err != nil {
		return nil, fmt.Errorf("address of the gateway: %w", err)
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || *u != (url.URL{Scheme: u.Scheme, Host: u.Host}) {
		return nil, fmt.Errorf("address of the gateway: %q is not a scheme and a host such as %s", text, exampleAPI)
	}
	// The host is signed in lower case and without the default port.
	u.Host = strings.TrimSuffix(strings.ToLower(u.Host), map[string]string{"https": ":443", "http": ":80"}[u.Scheme])
	return u, nil
}

func showQuickstart(x *exchange) error {
	b, err := x.keyBook(controlplane.Test)
	if err != nil {
		return err
	}
	page := quickstartPage{
		Key: b.active(controlplane.Test), KeysURL: x.table.byName["keys"].path(controlplane.Test), KeyID: exampleKeyID, Entries: len(b.allowlist),
		URL: x.testURL.String() + exampleTarget, Host: x.testURL.Host, Target: exampleTarget,
	}
	if page.Key != nil {
		page.KeyID = page.Key.ID
	}
	if err := page.choose(x.query("language"), x.r.URL.Path); err != nil {
		return err
	}
	return x.render(http.StatusOK, "quickstart", page)
}

// choose takes the sample of a language, or the first.
func (p *quickstartPage) choose(dir, path string) (err error) {
	all := clients.Languages()
	chosen := all[0]
	for _, l := range all {
		if l.Dir == dir {
			chosen = l
		}
	}
	for _, l := range all {
		p.Languages = append(p.Languages, sampleLink{path + "?language=" + l.Dir + "#code", l.Name, l == chosen})
	}
	p.Sample.Language = chosen
	if p.Sample.Library, err = chosen.Source(); err != nil {
		return err
	}
	p.Sample.Example, err = chosen.ExampleSource()
	return err
}
