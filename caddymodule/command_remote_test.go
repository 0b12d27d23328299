package caddymodule

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/portal/api"
)

// farServer is the admin API on another machine, and what a command needs to reach
// it.
type farServer struct {
	*apiWorld
	url, token, ca string
	// asked are the operations that requests came for.
	asked *sync.Map
}

func newFarServer(t *testing.T) *farServer {
	t.Helper()
	w := newAPIWorld(t)
	asked, routes := new(sync.Map), http.NewServeMux()
	for _, r := range api.Routes() {
		routes.HandleFunc(r.Method+" "+r.Path, func(rw http.ResponseWriter, q *http.Request) {
			asked.Store(r.Operation, true)
			w.handler.ServeHTTP(rw, q)
		})
	}
	s := quietTLS(t, routes)
	f := &farServer{apiWorld: w, asked: asked, url: s.URL, token: filepath.Join(t.TempDir(), "token"), ca: filepath.Join(t.TempDir(), "ca.pem")}
	f.write(f.token, w.token(w.members[controlplane.RolePlatformAdmin], true).Secret.Reveal()+"\n")
	f.write(f.ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return f
}

// quietTLS keeps handshakes that are meant to fail out of the tests' output.
func quietTLS(t *testing.T, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (f *farServer) write(path, text string) {
	f.Helper()
	check(f, os.WriteFile(path, []byte(text), 0o600))
}

// runMerchants runs a command in this process.
func runMerchants(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := merchantsTree(t).Root()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&bytes.Buffer{})
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetArgs(append([]string{"merchants"}, args...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// run adds what leads to the far server.
func (f *farServer) run(args ...string) (string, error) {
	f.Helper()
	return runMerchants(f.T, append(args, "--server", f.url, "--token-file", f.token, "--ca-file", f.ca)...)
}

// must runs a command and returns a value of its JSON.
func (f *farServer) must(path string, args ...string) string {
	f.Helper()
	out, err := f.run(append(args, "--json")...)
	check(f, err)
	var v any
	check(f, json.Unmarshal([]byte(out), &v))
	for _, step := range strings.Split(path, ".") {
		if list, isList := v.([]any); isList {
			v = list[0]
		}
		v = v.(map[string]any)[step]
	}
	return fmt.Sprint(v)
}

// TestCommandsWorkOnAnotherMachine has a command for everything that the admin API can
// do.
func TestCommandsWorkOnAnotherMachine(t *testing.T) {
	f := newFarServer(t)
	f.managesMerchants()
	f.looksAtTraffic(f.site())
	f.managesThePlatform()
	for _, r := range api.Routes() {
		if _, asked := f.asked.Load(r.Operation); !asked {
			t.Errorf("no command asks for %s", r.Operation)
		}
	}
}

func (f *farServer) managesMerchants() {
	m := f.must("merchant.id", "merchant", "create", "--name", "Blue & Bottle <Books>")
	f.must("merchant.name", "merchant", "rename", "--merchant", m, "--name", "Shop")
	f.must("merchant.state", "merchant", "suspend", "--merchant", m)
	f.must("merchant.state", "merchant", "resume", "--merchant", m)
	if got := f.must("merchants.id", "merchant", "list", "--search", "Sho", "--limit", "1"); got != m {
		f.Errorf("found %s", got)
	}
	u := f.must("id", "user", "create", "--merchant", m, "--username", "nok", "--role", "owner")
	f.must("user.disabled", "user", "disable", "--merchant", m, "--user", u)
	f.must("user.disabled", "user", "enable", "--merchant", m, "--user", u)
	f.must("user.role", "user", "role", "--merchant", m, "--user", u, "--role", "viewer")
	f.must("initial_password", "user", "reset-password", "--merchant", m, "--user", u)
	f.enrol(u, m)
	f.must("user.second_factor", "user", "show", "--merchant", m, "--user", u)
	f.must("user.id", "user", "reset-2fa", "--merchant", m, "--user", u)
	f.must("user.id", "user", "sign-out", "--merchant", m, "--user", u)
	f.must("users.id", "user", "list", "--merchant", m)
	f.must("merchant.id", "merchant", "show", "--merchant", m)
	e := f.must("entry.id", "allowlist", "add", "--merchant", m, "--cidr", "8.8.8.8", "--note", "it's \"theirs\" & café?")
	f.must("entries.note", "allowlist", "list", "--merchant", m)
	f.must("allowed", "allowlist", "check", "--merchant", m, "--ip", "8.8.8.8")
	if got := f.must("entry.note", "allowlist", "note", "--merchant", m, "--entry", e, "--note", "moved"); got != "moved" {
		f.Errorf("the note is %q", got)
	}
	f.must("refused", "allowlist", "simulate", "--merchant", m, "--remove", e, "--add", "9.9.9.9")
	f.must("entry.id", "allowlist", "remove", "--merchant", m, "--entry", e)
	f.must("entry.id", "allowlist", "add", "--merchant", m, "--cidr", "2606:4700::/32", "--note", "x")
	f.must("entry.id", "allowlist", "remove", "--merchant", m, "--cidr", "2606:4700::/32")
	f.managesLists(m)
	f.must("keys", "key", "list", "--merchant", m)
}

// managesLists imports a list of addresses, and answers what merchants ask for.
func (f *farServer) managesLists(m string) {
	f.Helper()
	list := filepath.Join(f.TempDir(), "list")
	f.write(list, "9.9.9.0/24 café ร้าน\n")
	if got := f.must("added", "allowlist", "import", "--merchant", m, "--file", list, "--dry-run"); got != "1" {
		f.Errorf("would add %s", got)
	}
	f.must("lines.note", "allowlist", "import", "--merchant", m, "--file", list)
	if got := f.must("entries.note", "allowlist", "list", "--merchant", m); got != "café ร้าน" {
		f.Errorf("the note became %q", got)
	}
	var wishes []string
	for _, cidr := range []string{"9.9.8.1", "9.9.8.2"} {
		wish, err := f.node.service.RequestAllowlistChange(f.Context(), operator, controlplane.RequestAllowlistChange{MerchantID: m, Action: controlplane.AllowlistAdd, CIDR: cidr, Reason: "ours"})
		check(f, err)
		wishes = append(wishes, wish.ID)
	}
	f.must("requests.merchant_name", "allowlist", "request", "list")
	f.must("requests.id", "allowlist", "request", "list", "--merchant", m, "--state", "pending")
	f.must("request.state", "allowlist", "request", "approve", "--merchant", m, "--request", wishes[0])
	f.must("request.answer", "allowlist", "request", "reject", "--merchant", m, "--request", wishes[1], "--answer", "too many")
}

func (f *farServer) looksAtTraffic(s apiSite) {
	f.Helper()
	m := s["merchant_id"]
	f.must("endpoints.id", "endpoint", "list", "--merchant", m)
	f.must("condition", "endpoint", "show", "--merchant", m, "--endpoint", s["endpoint_id"])
	f.must("deliveries.id", "delivery", "list", "--merchant", m, "--env", "live")
	f.must("event.id", "delivery", "show", "--merchant", m, "--delivery", s["delivery_id"])
	f.must("requests.id", "request", "list", "--merchant", m, "--env", "live", "--outcome", "refused", "--since", "2026-01-31")
	f.must("request.code", "request", "show", "--merchant", m, "--request", s["logged_id"])
	f.must("requests", "request", "unknown", "--limit", "5")
	f.must("counts", "request", "count", "--merchant", m, "--env", "live")
}

func (f *farServer) managesThePlatform() {
	f.Helper()
	c := f.must("id", "staff", "create", "--username", "cyd", "--role", "auditor")
	f.enrol(c, "")
	f.must("member.second_factor", "staff", "show", "--staff", c)
	f.must("member.role", "staff", "role", "--staff", c, "--role", "platform_operator")
	f.must("initial_password", "staff", "reset-password", "--staff", c)
	f.must("member.id", "staff", "reset-2fa", "--staff", c)
	f.must("member.id", "staff", "sign-out", "--staff", c)
	f.must("member.disabled", "staff", "disable", "--staff", c)
	f.must("member.disabled", "staff", "enable", "--staff", c)
	f.must("members.id", "staff", "list", "--limit", "1")
	id := func() string { return f.waitingChange(f.site()["merchant_id"], "stf_other") }
	f.must("approval.id", "approval", "show", "--approval", id())
	f.must("approval.state", "approval", "approve", "--approval", id())
	f.must("approval.answer", "approval", "reject", "--approval", id(), "--answer", "no")
	f.must("approval.state", "approval", "withdraw", "--approval", f.waitingChange("", f.members[controlplane.RolePlatformAdmin].ID))
	f.must("approvals.id", "approval", "list", "--state", "pending", "--limit", "3")
	token := f.must("token.id", "service-token", "issue", "--name", "ledger")
	f.must("token.id", "service-token", "revoke", "--token", token)
	f.must("tokens.id", "service-token", "list")
	f.must("tokens.id", "staff-token", "list")
	victim := f.apiWorld.token(f.members[controlplane.RoleAuditor], false).Token.ID
	f.must("token.revoked_at", "staff-token", "revoke", "--token", victim)
	f.must("events.seq", "audit", "list", "--merchant", f.site()["merchant_id"], "--since", "2026-01-31", "--before", "1000000")
	f.must("rows", "audit", "verify")
	f.must("version", "status")
	f.must("root_id", "keyring", "status")
}

func TestErrorsOfAnotherMachineReadLikeThoseOfThisOne(t *testing.T) {
	f := newFarServer(t)
	for want, args := range map[string][]string{
		`no merchant "mer_x"; "caddy merchants merchant list" shows what there is`: {"merchant", "suspend", "--merchant", "mer_x"},
		`--name: must be 2 to 100 printable characters`:                            {"merchant", "create", "--name", "x"},
		`--merchant: is missing|an id is missing`:                                  {"merchant", "suspend", "--merchant", ".."},
	} {
		if _, err := f.run(args...); err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("%v: %v", args, err)
		}
	}
	f.write(f.token, f.apiWorld.token(f.members[controlplane.RoleAuditor], false).Secret.Reveal())
	if _, err := f.run("merchant", "create", "--name", "Shop"); err == nil || !strings.Contains(err.Error(), `the role "auditor" may not merchant.create`) {
		t.Errorf("%v", err)
	}
	f.write(f.token, "unks_staff_wrong")
	if _, err := f.run("status"); err == nil || !strings.Contains(err.Error(), "unknown, expired or revoked") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("%v", err)
	}
}

// Every command either has a route or says that it has none.
func TestCommandsThatWorkHereOnlySaySo(t *testing.T) {
	local := map[string]bool{}
	eachLeaf(merchantsTree(t), func(c *cobra.Command) {
		flag := c.Flags().Lookup("server")
		if flag == nil {
			return
		}
		args := strings.Fields(c.CommandPath())[2:]
		for _, name := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(regexp.MustCompile(`\(.*\)|\[[^]]*\]`).ReplaceAllString(c.Use, ""), -1) {
			args = append(args, "--"+name[1], "x")
		}
		_, err := runMerchants(t, append(args, "--server", "https://127.0.0.1:1", "--token-file", "/nonexistent")...)
		says := err != nil && strings.Contains(err.Error(), "works only on the machine of the server itself")
		if says != flag.Hidden {
			t.Errorf("%s: local only %t, and yet %v", c.CommandPath(), flag.Hidden, err)
		}
		local[strings.Join(strings.Fields(c.CommandPath())[2:], " ")] = says
	})
	for _, name := range []string{"key issue", "backup", "restore", "keyring rotate", "bootstrap", "staff-token issue"} {
		if !local[name] {
			t.Errorf("%s is offered for another machine", name)
		}
	}
}

func TestTokensAreKeptFromOthers(t *testing.T) {
	f := newFarServer(t)
	refused := func(name, want string, args ...string) {
		t.Helper()
		out, err := runMerchants(t, append([]string{"status"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error()+out, "unks_staff_") {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("no token", "--server needs --token-file", "--server", f.url)
	refused("no server", "which is missing", "--token-file", f.token)
	refused("two places", "leave out --config", "--server", f.url, "--token-file", f.token, "--config", "x")
	for _, bad := range []string{"http://console.test", "console.test", "https://a:b@console.test", "https://console.test/x", "https://console.test?x", "https://"} {
		refused(bad, "https, a host, and nothing behind it", "--server", bad, "--token-file", f.token)
	}
	refused("a stranger's certificate", "certificate", "--server", f.url, "--token-file", f.token)
	refused("no certificate", "holds no certificate", "--server", f.url, "--token-file", f.token, "--ca-file", f.token)
	for name, text := range map[string]string{"two": "unks_staff_a unks_staff_b", "none": "\n"} {
		bad := filepath.Join(t.TempDir(), name)
		f.write(bad, text)
		refused(name+" in the file", "does not hold one token", "--server", f.url, "--token-file", bad, "--ca-file", f.ca)
	}
	check(t, os.Chmod(f.token, 0o640))
	refused("readable by the group", "chmod 600", "--server", f.url, "--token-file", f.token, "--ca-file", f.ca)
	refused("a directory", "nobody but its owner", "--server", f.url, "--token-file", t.TempDir(), "--ca-file", f.ca)
}

// A redirect is not followed: the token would go where it leads.
func TestTokensDoNotFollowRedirects(t *testing.T) {
	f := newFarServer(t)
	var carried string
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { carried = r.Header.Get("Authorization") }))
	t.Cleanup(elsewhere.Close)
	moved := httptest.NewTLSServer(http.RedirectHandler(elsewhere.URL+api.Prefix+"/status", http.StatusTemporaryRedirect))
	t.Cleanup(moved.Close)
	_, err := runMerchants(t, "status", "--server", moved.URL, "--token-file", f.token, "--ca-file", f.ca)
	if err == nil || !strings.Contains(err.Error(), "answered HTTP 307, and not as an admin API does") || carried != "" {
		t.Errorf("%v; carried %q", err, carried)
	}
}
