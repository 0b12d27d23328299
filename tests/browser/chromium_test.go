package browser

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take on a machine that does other things too.
const patience = 30 * time.Second

// chromium is a browser that trusts the site's certificates.
type chromium struct {
	site *site
	ctx  context.Context
}

func (s *site) chromium() *chromium {
	s.t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, // for root in a container
		chromedp.Flag("disable-quic", true), // a QUIC handshake does not look at the list below
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors-spki-list", s.issuer()),
		chromedp.UserDataDir(s.t.TempDir()),
	)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	s.t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	s.t.Cleanup(cancel)
	check(s.t, chromedp.Do(ctx))
	return &chromium{s, ctx}
}

// issuer is the hash of the public key that signed the site's certificate.
func (s *site) issuer() string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.data, "caddy/pki/authorities/local/intermediate.crt"))
	check(s.t, err)
	block, _ := pem.Decode(text)
	if block == nil {
		s.t.Fatal("Caddy's intermediate certificate is no PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	check(s.t, err)
	hash := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(hash[:])
}

// person is somebody at a browser with cookies of their own.
type person struct {
	t    *testing.T
	site *site
	ctx  context.Context
	// origin is where they are: the portal, or the console.
	origin string
	// scripts says whether pages may run theirs.
	scripts bool

	mu     sync.Mutex
	faults []string
	bytes  float64 // received since the last navigation began
	status int64   // of the last page
}

// person opens a window; without scripts if so wished.
func (c *chromium) person(t *testing.T, scripts bool) *person {
	t.Helper()
	p := &person{t: t, site: c.site, origin: "https://localhost:" + c.site.portal, scripts: scripts}
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.notice))
	t.Cleanup(cancel)
	p.ctx = ctx
	t.Cleanup(p.expectNoFaults)
	check(t, chromedp.Do(ctx)) // opens the tab, which lives as long as this context
	p.do(
		command(audits.Enable, cdp.Empty{}),
		command(network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}),
		command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts}),
	)
	return p
}

func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// notice keeps what no page of ours may cause: a report of the content security
// policy, an error in the console, a file that was not there.
func (p *person) notice(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		// That a page answered 422 is said on the page, and signing out is no fault.
		if e.Entry.Level != log.EntryLevelInfo && (e.Entry.Source != log.EntrySourceNetwork || !strings.Contains(e.Entry.Text, "the server responded with a status of")) {
			p.faults = append(p.faults, fmt.Sprintf("log: %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		p.faults = append(p.faults, fmt.Sprintf("exception: %+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		p.faults = append(p.faults, fmt.Sprintf("console: %s", e.Type))
	case *audits.EventIssueAdded:
		// A form that a test sends without a press of a button leaves no way back.
		if text, err := json.Marshal(e.Issue); err != nil || !bytes.Contains(text, []byte("NavigationEntryMarkedSkippable")) {
			p.faults = append(p.faults, fmt.Sprintf("issue: %s %v", text, err))
		}
	case *network.EventLoadingFailed:
		p.faults = append(p.faults, fmt.Sprintf("loading failed: %s", e.ErrorText))
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			p.status = e.Response.Status
		} else if e.Response.Status != 200 {
			p.faults = append(p.faults, fmt.Sprintf("%d: %s", e.Response.Status, e.Response.URL))
		}
	case *network.EventLoadingFinished:
		p.bytes += e.EncodedDataLength
	}
}

func (p *person) expectNoFaults() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		p.t.Error(f)
	}
	p.faults = nil
}

// do takes steps that need no page to load.
func (p *person) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	p.must(chromedp.Do(ctx, steps...))
}

// eval asks the page.
func eval[T any](p *person, script string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	p.must(err)
	return out
}

// script runs one in the page, also where pages may not.
func script(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](text)
}

// load takes steps that make a page load, and waits for it.
func (p *person) load(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	p.mu.Lock()
	p.bytes = 0
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, steps...)
	p.must(err)
}

func (p *person) must(err error) {
	p.t.Helper()
	if err == nil {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	text, textErr := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
	p.t.Fatalf("%v, on the page\n%s %v", err, text, textErr)
}

// open goes to a page.
func (p *person) open(path string) {
	p.t.Helper()
	p.load(chromedp.Navigate(p.origin + path))
}

// control finds what can be pressed, by what it says, as people do. Of several the
// first that is visible.
func control(says string) chromedp.JSPath {
	quoted, err := json.Marshal(says)
	if err != nil {
		panic(err) // a string always has a form in JSON
	}
	return chromedp.JSPath(`[...document.querySelectorAll("a, button")].filter((e) => e.textContent.trim().replace(/\s+/g, " ") == ` + string(quoted) + ` && e.checkVisibility())[0]`)
}

// press presses a link or a button that leads to a page.
func (p *person) press(says string) {
	p.t.Helper()
	if !p.offers(says) {
		p.t.Fatalf("no link or button says %q on the page\n%s", says, p.text())
	}
	p.load(chromedp.Click(control(says)))
}

// pressAndConfirm presses a button that asks once more, in a dialog, if it can.
func (p *person) pressAndConfirm(says string) {
	p.t.Helper()
	if !p.scripts {
		p.press(says)
		return
	}
	p.do(chromedp.Click(control(says)))
	p.load(chromedp.Click(chromedp.CSS(`dialog[open] button[value="yes"]`)))
}

// offers reports whether a link or a button that says so can be seen.
func (p *person) offers(says string) bool {
	p.t.Helper()
	return eval[bool](p, "Boolean("+string(control(says))+")")
}

// fill pastes a text into a field, in place of what is there.
func (p *person) fill(name, text string) {
	p.t.Helper()
	field := chromedp.CSS(`main [name="` + name + `"]`)
	p.do(
		chromedp.Clear(field, chromedp.NodeVisible), chromedp.Focus(field, chromedp.NodeVisible),
		command(input.InsertText, input.InsertTextParams{Text: text}),
	)
}

// choose picks an option of a list by its value.
func (p *person) choose(name, value string) {
	p.t.Helper()
	p.do(chromedp.SetValue(chromedp.CSS(`main select[name="`+name+`"]`), value))
}

func (p *person) text() string {
	p.t.Helper()
	return eval[string](p, "document.body.innerText")
}

func (p *person) path() string {
	p.t.Helper()
	return eval[string](p, "location.pathname")
}

// code is the text of the n-th block that is there to be copied.
func (p *person) code(n int) string {
	p.t.Helper()
	return eval[string](p, fmt.Sprintf(`document.querySelectorAll("main .code code")[%d].textContent`, n))
}

// expect wants to be on a page with a text on it.
func (p *person) expect(path, text string) {
	p.t.Helper()
	if got := p.path(); got != path || !strings.Contains(p.text(), text) {
		p.t.Fatalf("at %s, want %s with %q; the page says\n%s", got, path, text, p.text())
	}
}
