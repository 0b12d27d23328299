package browser

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryErrorPage brings about each error that is a page of its own, as it comes
// about in life, and holds the page to the rules. Too many attempts (429) are told in
// the form that was sent, as scene "login-paused" shows; a fault of the program (500),
// which has the same page, is brought about in package portal.
func TestEveryErrorPage(t *testing.T) {
	t.Parallel()
	c := newSite(t).chromium()
	p, a := c.newcomer(t, true, c.site.merchant("Blue Bottle Books"), "bea", "owner")
	p.inspectRefusals(a)
	p.inspectFault()
}

// fails wants the last page to be an error page of a status, and looks at it.
func (p *person) fails(status int64, says, scene string) {
	p.t.Helper()
	p.mu.Lock()
	got := p.status
	p.mu.Unlock()
	if text := p.text(); got != status || !strings.Contains(text, says) || !strings.Contains(text, "Request id: req_") {
		p.t.Fatalf("status %d, want %d with %q and a request id, on the page\n%s", got, status, says, text)
	}
	p.inspect(scene)
}

func (p *person) inspectRefusals(a *account) {
	p.t.Helper()
	p.open("/account/preferences")
	p.postFrom("/preferences", "theme", "purple")
	p.fails(400, "We did not understand that request", "error-400")

	p.open("/account/preferences")
	p.postFrom("/preferences", "theme", strings.Repeat("x", 70_000))
	p.fails(413, "That is too large", "error-413")

	p.open("/allowlist/requests/new")
	p.fill("cidr", "203.0.113.8")
	p.fill("reason", "new server")
	p.press("Send the request")
	other := (&chromium{p.site, p.ctx}).person(p.t, true)
	other.signIn(a)
	other.open("/allowlist/requests")
	other.press("Withdraw 203.0.113.8/32")
	p.press("Withdraw 203.0.113.8/32")
	p.fails(409, "Things have changed in the meantime", "error-409")
}

// inspectFault spoils the database under the server, as a failing disk does. What is
// cut off instead may pass for a database without tables, which is another fault.
func (p *person) inspectFault() {
	p.t.Helper()
	for _, name := range []string{"merchants.db", "merchants.db-wal"} {
		check(p.t, os.WriteFile(filepath.Join(p.site.data, name), bytes.Repeat([]byte("spoilt "), 1<<10), 0o600))
	}
	p.open("/audit")
	p.fails(503, "The portal is busy", "error-503")
}
