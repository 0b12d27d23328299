package delivery

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// delivery is what a receiver has in hand, and the secret with which it looks at
// it.
type delivery struct {
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	header  http.Header
}

// Throughout a rotation a receiver has the old secret or the new one, and the
// libraries that merchants use accept what is sent to them.
func TestReceiversAcceptThroughoutARotation(t *testing.T) {
	old, renewed, foreign := testSecret(1), testSecret(2), testSecret(3)
	var last delivery
	r := serve(t, func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		last = delivery{Headers: map[string]string{}, Body: string(body), header: req.Header}
		for name := range req.Header {
			last.Headers[name] = req.Header.Get(name)
		}
	}, nil)
	s := sender(t, r, nil)

	var all []delivery
	var want []bool
	for _, phase := range []struct {
		signs                          []controlplane.Secret
		oldAccepts, newAccepts, tamper bool
	}{
		{signs: []controlplane.Secret{old}, oldAccepts: true},
		{signs: []controlplane.Secret{renewed, old}, oldAccepts: true, newAccepts: true},
		{signs: []controlplane.Secret{renewed}, newAccepts: true},
		{signs: []controlplane.Secret{renewed, old}, tamper: true},
	} {
		req := testRequest(r.url())
		req.Secrets = phase.signs
		req.Body = []byte(`{"type":"deposit.success","data":{"note":"ราคา ☃ \u0000"}}`)
		if res := s.Send(t.Context(), req); res.Fault != "" {
			t.Fatalf("got %+v", res)
		}
		if phase.tamper {
			last.Body += " "
		}
		for _, as := range []struct {
			secret  controlplane.Secret
			accepts bool
		}{{old, phase.oldAccepts}, {renewed, phase.newAccepts}, {foreign, false}} {
			d := last
			d.Secret = as.secret.Reveal()
			all, want = append(all, d), append(want, as.accepts)
		}
	}
	for library, verify := range map[string]func(*testing.T, []delivery) []bool{"Go": verifyGo, "npm": verifyNPM} {
		t.Run(library, func(t *testing.T) {
			got := verify(t, all)
			for i := range all {
				if got[i] != want[i] {
					t.Errorf("delivery %d, looked at with secret %d: accepted %t, want %t", i/3, i%3, got[i], want[i])
				}
			}
		})
	}
}

func verifyGo(t *testing.T, all []delivery) (accepted []bool) {
	for _, d := range all {
		wh, err := standardwebhooks.NewWebhook(d.Secret)
		if err != nil {
			t.Fatal(err)
		}
		accepted = append(accepted, wh.Verify([]byte(d.Body), d.header) == nil)
	}
	return accepted
}

func verifyNPM(t *testing.T, all []delivery) (accepted []bool) {
	input, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	node := exec.CommandContext(t.Context(), "node", "../../tests/npm/verify-webhooks.mjs")
	node.Stdin, node.Stderr = bytes.NewReader(input), &stderr
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s\nif the package is missing, run: npm ci --prefix tests/npm", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &accepted); err != nil || len(accepted) != len(all) {
		t.Fatalf("node printed %q: %v", out, err)
	}
	return accepted
}
