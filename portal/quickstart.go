package portal

import (
	"cmp"
	"net/http"
	"net/url"

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

func showQuickstart(x *exchange) error {
	b, err := x.keyBook(controlplane.Test)
	if err != nil {
		return err
	}
	page := quickstartPage{
		Key: b.active(controlplane.Test), KeysURL: x.table.byName["keys"].path(controlplane.Test), KeyID: exampleKeyID, Entries: len(b.allowlist),
		URL: cmp.Or(x.testURL, exampleAPI) + exampleTarget, Target: exampleTarget,
	}
	if page.Key != nil {
		page.KeyID = page.Key.ID
	}
	u, err := url.Parse(page.URL)
	if err != nil {
		return err
	}
	page.Host = u.Host
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
