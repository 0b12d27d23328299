package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/portal"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// adminServer serves the route on a real listener, as Caddy's admin endpoint
// does.
func adminServer(t *testing.T, network, address string) *http.Client {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	route := new(adminAPI).Routes()[0]
	mux := http.NewServeMux()
	mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := route.Handler.ServeHTTP(w, r); err != nil {
			t.Error(err)
		}
	})
	server := &httptest.Server{Listener: ln, Config: &http.Server{Handler: mux}}
	server.Start()
	t.Cleanup(server.Close)
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, ln.Addr().String())
		},
	}}
}

type adminRequest struct {
	method, path, body string
	header             map[string]string
}

func (a adminRequest) send(t *testing.T, client *http.Client) (int, controlplane.Error) {
	t.Helper()
	req, err := http.NewRequest(a.method, "http://127.0.0.1"+a.path, strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range a.header {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	var answer callError
	if err := json.Unmarshal(text, &answer); err != nil || answer.Error == nil {
		t.Fatalf("HTTP %d, no error in %s", resp.StatusCode, text)
	}
	return resp.StatusCode, *answer.Error
}

func TestAdminRefusesTCP(t *testing.T) {
	asvs.Covers(t, "8.4.2")
	client := adminServer(t, "tcp", "127.0.0.1:0")
	for _, origin := range []map[string]string{
		{operatorHeader: "alice"},
		{operatorHeader: "alice", "Origin": "http://127.0.0.1"},
	} {
		status, e := adminRequest{"POST", "/merchants/merchant.list", "{}", origin}.send(t, client)
		if status != http.StatusForbidden || e.Code != controlplane.CodeDenied || !strings.Contains(e.Message, `put "admin unix//run/caddy/admin.sock" into the global options`) {
			t.Errorf("HTTP %d %v", status, e)
		}
	}
}

func TestAdminRefusals(t *testing.T) {
	client := adminServer(t, "unix", filepath.Join(t.TempDir(), "admin.sock"))
	alice := map[string]string{operatorHeader: "alice"}
	for _, tc := range []struct {
		name   string
		req    adminRequest
		status int
		want   string
	}{
		{"a web page", adminRequest{"POST", "/merchants/merchant.list", "{}", map[string]string{operatorHeader: "alice", "Origin": "http://localhost"}}, 403, "Origin"},
		{"a link", adminRequest{"GET", "/merchants/merchant.list", "", alice}, 400, "use POST"},
		{"nobody", adminRequest{"POST", "/merchants/merchant.list", "{}", nil}, 400, operatorHeader},
		{"a name that is a sermon", adminRequest{"POST", "/merchants/merchant.list", "{}", map[string]string{operatorHeader: strings.Repeat("a", 101)}}, 400, operatorHeader},
		{"a name that steers terminals", adminRequest{"POST", "/merchants/merchant.list", "{}", map[string]string{operatorHeader: "al\xc3\xafce"}}, 400, operatorHeader},
		{"an unknown call", adminRequest{"POST", "/merchants/merchant.delete", "{}", alice}, 404, `does not know the call "merchant.delete"`},
		{"no call", adminRequest{"POST", "/merchants/", "{}", alice}, 404, "does not know the call"},
		{"a call below a call", adminRequest{"POST", "/merchants/merchant.list/x", "{}", alice}, 404, "does not know the call"},
		{"no input", adminRequest{"POST", "/merchants/merchant.list", "", alice}, 400, "not a JSON object"},
		{"input that is no object", adminRequest{"POST", "/merchants/merchant.list", "null", alice}, 400, "not a JSON object"},
		{"an unknown field", adminRequest{"POST", "/merchants/merchant.list", `{"serach":"x"}`, alice}, 400, `unknown field "serach"`},
		{"a wrong type", adminRequest{"POST", "/merchants/merchant.list", `{"limit":"x"}`, alice}, 400, "cannot unmarshal string"},
		{"two objects", adminRequest{"POST", "/merchants/merchant.list", `{}{}`, alice}, 400, "behind the JSON object"},
		{"half an object", adminRequest{"POST", "/merchants/merchant.list", `{"search":`, alice}, 400, "does not fit"},
		{"too much", adminRequest{"POST", "/merchants/merchant.list", `{"search":"` + strings.Repeat("x", maxCallInput) + `"}`, alice}, 400, "could not be read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, e := tc.req.send(t, client)
			if status != tc.status || !strings.Contains(e.Message, tc.want) {
				t.Errorf("HTTP %d %s, want %d and %q", status, e.Message, tc.status, tc.want)
			}
		})
	}
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for code, want := range map[controlplane.Code]int{
		controlplane.CodeInvalid: 400, controlplane.CodeNotFound: 404, controlplane.CodeConflict: 409, controlplane.CodeLimit: 409,
		controlplane.CodeDenied: 403, controlplane.CodeSudoRequired: 403, controlplane.CodeSuspended: 403,
		controlplane.CodeUnavailable: 503, controlplane.CodeInternal: 500,
	} {
		if got := portal.StatusOf(code); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
}

func TestInternalErrorsAreForTheLog(t *testing.T) {
	for _, err := range []error{
		errors.New("disk 7 is on fire"),
		&controlplane.Error{Code: controlplane.CodeInternal, Message: "internal error", Err: errors.New("disk 7 is on fire")},
	} {
		w := httptest.NewRecorder()
		if err := writeCallError(w, httptest.NewRequest("POST", "/merchants/merchant.list", nil), err); err != nil {
			t.Fatal(err)
		}
		if w.Code != 500 || strings.Contains(w.Body.String(), "fire") || !strings.Contains(w.Body.String(), `"INTERNAL"`) {
			t.Errorf("HTTP %d %s", w.Code, w.Body)
		}
	}
}
