package caddymodule

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// sample is how a set of samples for merchants is run.
type sample struct {
	language string
	prepare  []string // run once in the folder of the samples, {out} being a scratch folder
	call     []string
	receive  []string // {port}
}

func samples() []sample {
	return []sample{
		{language: "bash", call: []string{"bash", "call.sh"},
			receive: []string{"socat", "TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", "EXEC:./receive.sh"}},
		{language: "node", call: []string{"node", "call.mjs"}, receive: []string{"node", "receive.mjs", "{port}"}},
		{language: "python", call: []string{"python3", "-B", "call.py"}, receive: []string{"python3", "-B", "receive.py", "{port}"}},
		{language: "php", call: []string{"php", "call.php"}, receive: []string{"php", "-S", "127.0.0.1:{port}", "receive.php"}},
		{language: "java", prepare: []string{"javac", "-d", "{out}", "UnknownPay.java", "Call.java", "Receive.java"},
			call: []string{"java", "-cp", "{out}", "Call"}, receive: []string{"java", "-cp", "{out}", "Receive", "{port}"}},
		{language: "go", prepare: []string{"go", "build", "-o", "{out}", "./call", "./receive"},
			call: []string{"{out}/call"}, receive: []string{"{out}/receive", "{port}"}},
	}
}

// command fills the placeholders in and runs the words in the language's folder.
func (s sample) command(words []string, out, port string, args ...string) *exec.Cmd {
	fill := strings.NewReplacer("{out}", out, "{port}", port)
	filled := make([]string, 0, len(words)+len(args))
	for _, w := range words {
		filled = append(filled, fill.Replace(w))
	}
	filled = append(filled, args...)
	cmd := exec.Command(filled[0], filled[1:]...)
	cmd.Dir = filepath.Join("..", "clients", s.language)
	return cmd
}

func (s sample) prepared(t *testing.T) (out string) {
	t.Helper()
	out = t.TempDir()
	if s.prepare == nil {
		return out
	}
	if text, err := s.command(s.prepare, out, "").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", s.language, err, text)
	}
	return out
}

// TestSamplesPassTheGateway runs what merchants copy against a running gateway.
func TestSamplesPassTheGateway(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	for _, sample := range samples() {
		t.Run(sample.language, func(t *testing.T) {
			out := sample.prepared(t)
			call := func(secret, method, target string, body ...string) string {
				args := append([]string{method, "http://" + s.plain + target}, body...)
				cmd := sample.command(sample.call, out, "", args...)
				cmd.Env = append(os.Environ(), "UNK_KEY_ID="+m.keyID, "UNK_SECRET="+secret)
				text, err := cmd.CombinedOutput()
				if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				return string(text)
			}
			for _, c := range []struct {
				name, method, target string
				body                 []string
			}{
				{"no body", "GET", "/v1/payments/pay_123", nil},
				{"query left in order", "GET", "/v1/payments?b=2&a=1&q=a%20b+c&e=", nil},
				{"encoded path", "DELETE", "/v1/customers/%E0%B8%81%2Fb", nil},
				{"JSON", "POST", "/v1/payments?expand=customer", []string{`{"amount":1000,"currency":"THB"}`}},
				{"UTF-8", "PUT", "/v1/deposits/d_1", []string{`{"note":"ฝากเงิน 💸"}`}},
			} {
				if text := call(m.secret, c.method, c.target, c.body...); !strings.HasPrefix(text, "200\n") {
					t.Errorf("%s: %s", c.name, text)
				}
			}
			if text := call(m.secret+"x", "POST", "/v1/payments", "{}"); !strings.HasPrefix(text, "401\n") || !strings.Contains(text, "SIGNATURE_MISMATCH") {
				t.Errorf("wrong secret: %s", text)
			}
		})
	}
}

// webhook signs as the Standard Webhooks specification says, by this test's own
// lines, so that the samples are not held against code they share.
func webhook(secret []byte, id string, at time.Time, body string) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// TestSamplesVerifyWebhooks runs each receiver and sends it good and bad webhooks.
func TestSamplesVerifyWebhooks(t *testing.T) {
	key, other := bytes.Repeat([]byte("k"), 32), bytes.Repeat([]byte("o"), 32)
	const id, body = "evt_06h0j5apm7csb1cqv0df7w3zam", `{"type":"deposit.success","timestamp":"2026-01-01T00:00:00Z","environment":"test","data":{"note":"ฝากเงิน"}}`
	now := time.Now()
	good := webhook(key, id, now, body)
	cases := []struct {
		name, id, signature, body string
		at                        time.Time
		want                      int
	}{
		{"good", id, good, body, now, 204},
		{"second of two signatures", id, webhook(other, id, now, body) + " " + good, body, now, 204},
		{"another secret", id, webhook(other, id, now, body), body, now, 401},
		{"another body", id, good, strings.Replace(body, "test", "live", 1), now, 401},
		{"another id", "evt_x", good, body, now, 401},
		{"another time", id, good, body, now.Add(time.Second), 401},
		{"old", id, webhook(key, id, now.Add(-time.Hour), body), body, now.Add(-time.Hour), 401},
		{"no signature", id, "", body, now, 401},
		{"no id", "", webhook(key, "", now, body), body, now, 401},
	}
	for _, sample := range samples() {
		t.Run(sample.language, func(t *testing.T) {
			address := startReceiver(t, sample, "whsec_"+base64.StdEncoding.EncodeToString(key))
			for _, c := range cases {
				r, err := http.NewRequest("POST", "http://"+address+"/hook", strings.NewReader(c.body))
				check(t, err)
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Webhook-Timestamp", strconv.FormatInt(c.at.Unix(), 10))
				for name, value := range map[string]string{"Webhook-Id": c.id, "Webhook-Signature": c.signature} {
					if value != "" {
						r.Header.Set(name, value)
					}
				}
				if status := sendOnce(t, r); status != c.want {
					t.Errorf("%s: %d, want %d", c.name, status, c.want)
				}
			}
		})
	}
}

func sendOnce(t *testing.T, r *http.Request) int {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Do(r)
	check(t, err)
	defer a.Body.Close()
	_, err = io.Copy(io.Discard, a.Body)
	check(t, err)
	return a.StatusCode
}

// startReceiver runs a receiver until the test ends and waits until it answers.
func startReceiver(t *testing.T, s sample, secret string) (address string) {
	t.Helper()
	address = freePort(t)
	cmd := s.command(s.receive, s.prepared(t), port(address))
	cmd.Env = append(os.Environ(), "UNK_WEBHOOK_SECRET="+secret)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // socat forks
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	check(t, cmd.Start())
	t.Cleanup(func() {
		check(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Log(log.String())
		}
	})
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if a, err := client.Post("http://"+address+"/ready", "text/plain", strings.NewReader("x")); err == nil {
			check(t, a.Body.Close())
			return address
		}
	}
	t.Fatalf("the %s receiver does not answer: %s", s.language, log.String())
	return ""
}
