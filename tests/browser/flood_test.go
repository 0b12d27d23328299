package browser

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// maxFlood is how much memory a flood of sign-ins may take, in KiB. All hashes at
// once would be 200 times 19 MiB, 3.8 GiB.
const maxFlood = 256 << 10

// flood is one attempt to sign in, from an address and with a name of its own, so
// that no throttle stops it before the password is checked.
func (s *site) flood(ctx context.Context, i int) (*http.Response, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}
	client := &http.Client{Transport: &http.Transport{
		DialContext:     (&net.Dialer{LocalAddr: from}).DialContext,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the browser tests look at certificates
	}}
	defer client.CloseIdleConnections()
	form := url.Values{"username": {fmt.Sprintf("stranger%d", i)}, "password": {"not the password of anybody"}}
	r, err := http.NewRequestWithContext(ctx, "POST", s.url("/login"), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	a, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	return a, a.Body.Close()
}

// argon2id issue 35: every sign-in takes 19 MiB, so that many at once take down what
// runs beside them.
func TestArgon2id35TwoHundredSignInsAtOnceLeaveTheGatewayAlone(t *testing.T) {
	covers(t, "6.3.1")
	s := newSite(t)
	key := s.testKey("Blue Bottle Books")
	before := s.memory("VmRSS")
	s.forgetPeak()
	answers := make(chan string, 200)
	var all sync.WaitGroup
	for i := range cap(answers) {
		all.Go(func() { answers <- outcome(s.flood(t.Context(), i)) })
	}
	go func() {
		all.Wait()
		close(answers)
	}()
	count, payments := map[string]int{}, 0
	for a := range answers {
		count[a]++
		key.passes(t, s.gateway) // a payment after each answer, none refused or delayed into a timeout
		payments++
	}
	if count["422"] == 0 || count["503, later"] == 0 || count["422"]+count["503, later"] != payments {
		t.Errorf("answers: %v; want 422 for those whose turn came and 503 with Retry-After for the others", count)
	}
	if len(s.processes()) < 2 {
		t.Error("passwords are hashed in the gateway's own process")
	}
	if took := s.memory("VmHWM") - before; took > maxFlood {
		t.Errorf("the flood took %d KiB, want at most %d", took, maxFlood)
	} else {
		t.Logf("%v; the flood took %d KiB", count, took)
	}
}

func outcome(a *http.Response, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case a.StatusCode == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
		return "503, later"
	}
	return fmt.Sprint(a.StatusCode)
}

// testKey makes a merchant that may call from this machine.
func (s *site) testKey(name string) pair {
	s.t.Helper()
	merchant := s.merchant(name)
	s.allow(merchant, "127.0.0.1", "this machine")
	return s.key(merchant)
}

// key issues a test key by the command line.
func (s *site) key(merchant string) pair {
	s.t.Helper()
	issued := run[struct {
		Key    struct{ ID string }
		Secret string
	}](s, "key", "issue", "--merchant", merchant, "--env", "test")
	return pair{issued.Key.ID, issued.Secret}
}

// memory is a figure of the server's process and of those that it started, in KiB.
func (s *site) memory(name string) (kib int) {
	s.t.Helper()
	for _, pid := range s.processes() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%s/status", pid))
		check(s.t, err)
		_, after, found := strings.Cut(string(text), name+":")
		var one int
		if _, err := fmt.Sscan(after, &one); err != nil || !found {
			s.t.Fatalf("no %s in %s", name, text)
		}
		kib += one
	}
	return kib
}

// processes are the server and what it started to hash passwords.
func (s *site) processes() []string {
	s.t.Helper()
	all := []string{strconv.Itoa(s.process.Pid)}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.process.Pid))
	check(s.t, err)
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if errors.Is(err, fs.ErrNotExist) { // a thread that has ended
			continue
		}
		check(s.t, err)
		all = append(all, strings.Fields(string(text))...)
	}
	return all
}

// forgetPeak makes VmHWM start anew (proc_pid_clear_refs(5)).
func (s *site) forgetPeak() {
	s.t.Helper()
	for _, pid := range s.processes() {
		check(s.t, os.WriteFile(fmt.Sprintf("/proc/%s/clear_refs", pid), []byte("5"), 0o200))
	}
}

// BenchmarkPayments is a signed request through the gateway, alone and while 200
// people at a time try to sign in to the portal of the same process.
func BenchmarkPayments(b *testing.B) {
	s := newSite(b)
	key := s.testKey("Blue Bottle Books")
	payments := func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			began := time.Now()
			key.passes(b, s.gateway)
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	}
	b.Run("alone", payments)
	ctx, stop := context.WithCancel(b.Context())
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			for n := i; ctx.Err() == nil; n += 200 {
				if _, err := s.flood(ctx, n); err != nil && ctx.Err() == nil {
					b.Error(err)
				}
			}
		})
	}
	b.Run("beside 200 sign-ins", payments)
	stop()
	all.Wait()
}
