package caddymodule

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/portal/api"
)

// spokenAPI is one exchange, as tests/npm/check-openapi.mjs takes it.
type spokenAPI struct {
	Path    string          `json:"path"`
	Method  string          `json:"method"`
	Status  int             `json:"status"`
	Media   string          `json:"media"`
	Request json.RawMessage `json:"request,omitempty"`
	Answer  json.RawMessage `json:"answer"`
}

// TestOpenAPIDocumentIsWhatTheAPIDoes has the document checked by somebody else's
// validator, and holds one good and one refused exchange of every route against it.
func TestOpenAPIDocumentIsWhatTheAPIDoes(t *testing.T) {
	w := newAPIWorld(t)
	rec := w.ask(http.MethodGet, api.DocumentPath, "", "")
	if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("HTTP %d %v", rec.Code, rec.Header())
	}
	input := struct {
		Document  json.RawMessage `json:"document"`
		Exchanges []spokenAPI     `json:"exchanges"`
	}{Document: rec.Body.Bytes()}
	good := w.token(w.members[controlplane.RolePlatformAdmin], true).Secret.Reveal()
	for _, r := range api.Routes() {
		for _, token := range []string{"unks_staff_wrong", good} {
			input.Exchanges = append(input.Exchanges, w.speak(r, token))
		}
	}
	input.Exchanges = append(input.Exchanges, w.waiting(good)...)
	encoded, err := json.Marshal(input)
	check(t, err)
	var stdout, stderr bytes.Buffer
	node := exec.CommandContext(t.Context(), "node", "../tests/npm/check-openapi.mjs")
	node.Stdin, node.Stdout, node.Stderr = bytes.NewReader(encoded), &stdout, &stderr
	if err := node.Run(); err != nil {
		t.Fatalf("node: %v\n%s\nif a package is missing, run: npm ci --prefix tests/npm", err, stderr.Bytes())
	}
	var wrong []string
	check(t, json.Unmarshal(stdout.Bytes(), &wrong))
	for _, what := range wrong {
		t.Error(what)
	}
}

func (w *apiWorld) speak(r api.Route, token string) spokenAPI {
	w.Helper()
	site := w.site()
	if token != "unks_staff_wrong" {
		w.prepare(r.Operation, site)
		w.spare = nil
	}
	target, body := w.address(r, controlplane.RolePlatformAdmin, site)
	rec := w.ask(r.Method, target, token, body)
	return spokenAPI{
		Path: r.Path, Method: strings.ToLower(r.Method), Status: rec.Code, Media: rec.Header().Get("Content-Type"),
		Request: json.RawMessage(body), Answer: rec.Body.Bytes(),
	}
}

// TestOpenAPIDocumentHasTheRoutesAndNoOther compares both ways.
func TestOpenAPIDocumentHasTheRoutesAndNoOther(t *testing.T) {
	w := newAPIWorld(t)
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		} `json:"paths"`
	}
	check(t, json.Unmarshal(w.ask(http.MethodGet, api.DocumentPath, "", "").Body.Bytes(), &document))
	ids := map[string]bool{}
	for path, methods := range document.Paths {
		for method, route := range methods {
			if ids[route.OperationID] || route.OperationID == "" {
				t.Errorf("%s %s: the operationId %q is empty, or here twice", method, path, route.OperationID)
			}
			ids[route.OperationID] = true
		}
	}
	for _, r := range api.Routes() {
		method := strings.ToLower(r.Method)
		if _, found := document.Paths[r.Path][method]; !found {
			t.Errorf("the document lacks %s %s", r.Method, r.Path)
		}
		delete(document.Paths[r.Path], method)
	}
	delete(document.Paths, api.DocumentPath)
	for path, methods := range document.Paths {
		if len(methods) > 0 {
			t.Errorf("the document has more than the table at %s: %v", path, methods)
		}
	}
}

// waiting are the exchanges about a change that another platform admin has to
// approve, and about the same one that must not wait.
func (w *apiWorld) waiting(token string) []spokenAPI {
	w.Helper()
	w.member("second", controlplane.RolePlatformAdmin)
	w.spare = nil
	site := w.site()
	_, err := w.node.service.IssueKey(w.Context(), operator, controlplane.IssueKey{MerchantID: site["merchant_id"], Environment: controlplane.Live})
	check(w, err)
	const path, body = api.Prefix + "/merchants/{merchant_id}/allowlist", `{"cidr": "9.9.8.0/24", "note": "new office"}`
	target := strings.Replace(path, "{merchant_id}", site["merchant_id"], 1)
	asked := w.ask(http.MethodPost, target, token, body)
	if p := w.problem(asked); asked.Code != http.StatusAccepted || p.Code != controlplane.CodePending || p.ApprovalID == "" {
		w.Errorf("HTTP %d %s", asked.Code, asked.Body)
	}
	made := w.ask(http.MethodPost, target, token, body, func(r *http.Request) { r.Header.Set(api.BreakGlassHeader, "the office burns") })
	if made.Code != http.StatusCreated {
		w.Errorf("HTTP %d %s", made.Code, made.Body)
	}
	var out []spokenAPI
	for _, rec := range []*httptest.ResponseRecorder{asked, made} {
		out = append(out, spokenAPI{path, "post", rec.Code, rec.Header().Get("Content-Type"), json.RawMessage(body), rec.Body.Bytes()})
	}
	return out
}
