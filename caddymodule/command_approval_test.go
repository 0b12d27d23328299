package caddymodule

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// desk is the command line of one member of staff, far from the server.
type desk struct {
	*testing.T
	flags []string
}

// desk gives a member a confirmed token.
func (w *apiWorld) desk(username string, role controlplane.Role, url, ca string) desk {
	w.Helper()
	file := filepath.Join(w.TempDir(), username)
	check(w, os.WriteFile(file, []byte(w.token(w.member(username, role), true).Secret.Reveal()), 0o600))
	return desk{w.T, []string{"--server", url, "--token-file", file, "--ca-file", ca}}
}

// does runs a command that has to succeed, and prints what matches.
func (d desk) does(want string, args ...string) string {
	d.Helper()
	out, err := runMerchants(d.T, append(args, d.flags...)...)
	if err != nil || !regexp.MustCompile(want).MatchString(out) {
		d.Fatalf("%v: %v\n%s\nwant %s", args, err, out, want)
	}
	return out
}

// fails runs a command that has to fail, and returns what it says.
func (d desk) fails(want string, args ...string) string {
	d.Helper()
	out, err := runMerchants(d.T, append(args, d.flags...)...)
	if err == nil || out != "" || !regexp.MustCompile(want).MatchString(err.Error()) {
		d.Fatalf("%v: %v\n%s\nwant %s", args, err, out, want)
	}
	return err.Error()
}

// waits runs a command whose change has to wait, and returns the approval. The error
// holds the very command by which somebody else approves.
func (d desk) waits(args ...string) string {
	d.Helper()
	text := d.fails(`^waiting for approval apr_\w+ by another platform admin; nothing is changed yet; they run: caddy merchants approval approve --approval apr_\w+$`, args...)
	return text[strings.LastIndex(text, " ")+1:]
}

// consoleByAddress serves the console at an address that needs no name to be found.
func consoleByAddress(s *site) {
	s.named = `
https://127.0.0.1:` + port(s.secure) + ` {
	bind 127.0.0.1
	tls ` + s.dir + `/cert.pem ` + s.dir + `/key.pem
	merchant_console
}
`
}

// TestTwoPeopleOpenTheGateFromAfar changes the allowlist of a live merchant in front
// of a running gateway, with nothing but tokens and the command line.
func TestTwoPeopleOpenTheGateFromAfar(t *testing.T) {
	asvs.Covers(t, "8.2.1")
	s := startSite(t, consoleByAddress)
	w := &apiWorld{T: t, node: callNode{node: s.node()}}
	url, ca := "https://"+net.JoinHostPort("127.0.0.1", port(s.secure)), s.path("cert.pem")
	ann, bob := w.desk("ann", controlplane.RolePlatformAdmin, url, ca), w.desk("bob", controlplane.RolePlatformAdmin, url, ca)
	m := s.merchant(controlplane.Live)
	pay := func() answer { return s.do(s.request(m, "POST", "/v1/payments", `{"amount":1}`)) }
	s.wantRefused(pay(), 403, "IP_NOT_ALLOWED")

	id := ann.waits("allowlist", "add", "--merchant", m.id, "--cidr", "127.0.0.1", "--note", "their server")
	s.wantRefused(pay(), 403, "IP_NOT_ALLOWED")
	ann.fails(`^somebody else has to approve this: you asked for it`, "approval", "approve", "--approval", id)
	ann.fails(`the same change waits for approval already, as `+id, "allowlist", "add", "--merchant", m.id, "--cidr", "127.0.0.1", "--note", "their server")
	s.wantRefused(pay(), 403, "IP_NOT_ALLOWED")

	bob.does(id+` +pending +allowlist.add +`+m.id+` +ann by stt_\w+`, "approval", "list", "--state", "pending")
	bob.does(`In detail +cidr: 127.0.0.1/32; note: their server\n`, "approval", "show", "--approval", id)
	bob.does(`Decided by +bob by stt_(?s).*Gateway +enforces revision`, "approval", "approve", "--approval", id)
	s.wantPassed(pay())
	bob.fails(`the change is approved already`, "approval", "approve", "--approval", id)

	// Out again: rejected, withdrawn, and then without waiting.
	out := []string{"allowlist", "remove", "--merchant", m.id, "--cidr", "127.0.0.1"}
	id = ann.waits(out...)
	bob.does(`Answer +they still use it`, "approval", "reject", "--approval", id, "--answer", "they still use it")
	ann.does(`State +rejected`, "approval", "show", "--approval", id)
	id = ann.waits(out...)
	bob.fails(`only who asked for a change may withdraw it`, "approval", "withdraw", "--approval", id)
	ann.does(`State +withdrawn`, "approval", "withdraw", "--approval", id)
	s.wantPassed(pay())
	ann.does(`Gateway +enforces revision`, append(out, "--break-glass", "the server was taken over")...)
	s.wantRefused(pay(), 403, "IP_NOT_ALLOWED")
	bob.does(`did not wait +allowlist.remove`, "approval", "list", "--break-glass")
	bob.does(`ok +`+m.id+` +ipa_\w+ +break-glass apr_\w+: the server was taken over`, "audit", "list", "--operation", "allowlist.remove")
}

// A platform operator's changes wait even for the only platform admin.
func TestWhatTakesTwoAtTheCommandLine(t *testing.T) {
	f := newFarServer(t)
	ann := f.desk("ann", controlplane.RolePlatformAdmin, f.url, f.ca)
	bob := f.desk("bob", controlplane.RolePlatformAdmin, f.url, f.ca)
	ops := f.desk("ops", controlplane.RolePlatformOperator, f.url, f.ca)
	site := f.site()
	m, u, member := site["merchant_id"], site["user_id"], site["staff_id"]
	_, err := f.node.service.IssueKey(t.Context(), operator, controlplane.IssueKey{MerchantID: m, Environment: controlplane.Live})
	check(t, err)
	f.enrol(u, m)
	list := filepath.Join(t.TempDir(), "list")
	f.write(list, "9.9.1.0/24 annexe\n")
	for _, change := range [][]string{
		{"allowlist", "add", "--merchant", m, "--cidr", "9.9.2.1", "--note", "shop"},
		{"allowlist", "import", "--merchant", m, "--file", list},
		{"allowlist", "remove", "--merchant", m, "--entry", site["entry_id"]},
		{"allowlist", "request", "approve", "--merchant", m, "--request", site["request_id"]},
		{"user", "create", "--merchant", m, "--username", "olga", "--role", "owner"},
		{"user", "role", "--merchant", m, "--user", u, "--role", "owner"},
		{"user", "reset-2fa", "--merchant", m, "--user", u},
		{"staff", "create", "--username", "pat", "--role", "platform_admin"},
		{"staff", "role", "--staff", member, "--role", "platform_admin"},
		{"staff", "disable", "--staff", member},
		{"staff", "enable", "--staff", member},
		{"staff", "reset-2fa", "--staff", member},
	} {
		asks := ann
		if change[0] != "staff" {
			asks = ops
			ops.fails(`^only a platform admin may do this without a second pair of eyes`, append(change, "--break-glass", "in a hurry")...)
		}
		out := bob.does(`State +approved`, "approval", "approve", "--approval", asks.waits(change...))
		if shown := strings.Contains(out, "Password"); shown != (change[1] == "create") {
			t.Errorf("%v: the password is shown %t\n%s", change, shown, out)
		}
	}
	ops.fails(`may not approval.approve`, "approval", "approve", "--approval", "apr_x")
	ann.fails(`--break-glass: must be 1 to 200 printable characters`, "staff", "disable", "--staff", member, "--break-glass", strings.Repeat("x", 201))
}

func TestBreakingTheGlassIsForAfar(t *testing.T) {
	_, err := runMerchants(t, "staff", "disable", "--staff", "stf_x", "--break-glass", "in a hurry")
	if err == nil || err.Error() != "--break-glass is for --server: what the operator of the machine does waits for nobody" {
		t.Error(err)
	}
}
