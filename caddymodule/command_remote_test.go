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
}

func newFarServer(t *testing.T) *farServer {
	t.Helper()
	w := newAPIWorld(t)
	s := quietTLS(t, w.handler)
	f := &farServer{apiWorld: w, url: s.URL, token: filepath.Join(t.TempDir(), "token"), ca: filepath.Join(t.TempDir(), "ca.pem")}
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

func TestCommandsWorkOnAnotherMachine(t *testing.T) {
	f := newFarServer(t)
	m := f.must("merchant.id", "merchant", "create", "--name", "Blue & Bottle <Books>")
	f.must("merchant.name", "merchant", "rename", "--merchant", m, "--name", "Shop")
	f.must("merchant.state", "merchant", "suspend", "--merchant", m)
	f.must("merchant.state", "merchant", "resume", "--merchant", m)
	if got := f.must("merchants.id", "merchant", "list", "--search", "Sho", "--limit", "1"); got != m {
		t.Errorf("found %s", got)
	}
	u := f.must("id", "user", "create", "--merchant", m, "--username", "nok", "--role", "owner")
	f.must("user.disabled", "user", "disable", "--merchant", m, "--user", u)
	f.must("user.disabled", "user", "enable", "--merchant", m, "--user", u)
	f.must("user.role", "user", "role", "--merchant", m, "--user", u, "--role", "viewer")
	f.must("initial_password", "user", "reset-password", "--merchant", m, "--user", u)
	f.must("users.id", "user", "list", "--merchant", m)
	e := f.must("entry.id", "allowlist", "add", "--merchant", m, "--cidr", "8.8.8.8", "--note", "it's \"theirs\" & café?")
	f.must("entries.note", "allowlist", "list", "--merchant", m)
	f.must("allowed", "allowlist", "check", "--merchant", m, "--ip", "8.8.8.8")
	f.must("entry.id", "allowlist", "remove", "--merchant", m, "--entry", e)
	f.must("entry.id", "allowlist", "add", "--merchant", m, "--cidr", "2606:4700::/32", "--note", "x")
	f.must("entry.id", "allowlist", "remove", "--merchant", m, "--cidr", "2606:4700::/32")
	token := f.must("token.id", "service-token", "issue", "--name", "ledger")
	f.must("token.id", "service-token", "revoke", "--token", token)
	f.must("tokens.id", "service-token", "list")
	f.must("tokens.id", "staff-token", "list")
	f.must("keys", "key", "list", "--merchant", m)
	f.must("endpoints", "endpoint", "list", "--merchant", m)
	f.must("deliveries", "delivery", "list", "--merchant", m, "--env", "live")
	f.must("events.seq", "audit", "list", "--merchant", m, "--since", "2026-01-31", "--before", "1000000")
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
