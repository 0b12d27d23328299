package delivery_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

const (
	// The environment that makes the test binary another process.
	childRole = "DELIVERY_TEST_ROLE"
	childDir  = "DELIVERY_TEST_DIR"
	// crashRounds is how often a process is killed; WEBHOOK_CRASH_ROUNDS=50 makes a
	// soak of it.
	crashRounds = 4
	roundsEnv   = "WEBHOOK_CRASH_ROUNDS"
)

// No event that was acknowledged before kill -9 is lost, what was in flight is sent
// again within two seconds of the restart, and nothing else is.
func TestKillLosesNoAcknowledgedEvent(t *testing.T) {
	dir := t.TempDir()
	e := prepare(t, dir, func(p *plant, e controlplane.Endpoint) {})
	l := ledgerOf{acked: map[string]bool{}, sent: map[string]int{}}
	rounds := crashRounds
	if text := os.Getenv(roundsEnv); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for round := range rounds {
		l.kill(t, "ingest", dir, func(acks, _ int) bool { return acks > 150+50*(round%5) })
	}
	p := openPlant(t, dir, delivery.Limits{})
	defer p.close()
	p.start()
	p.settled(e)
	delivered := map[string]bool{}
	for _, d := range p.deliveries(e) {
		delivered[d.EventID] = d.State == controlplane.DeliveryDelivered
	}
	for id := range l.acked {
		if !delivered[id] {
			t.Errorf("%s was acknowledged and is not delivered", id)
		}
	}
	again := 0
	for _, n := range l.sent {
		again += n - 1
	}
	t.Logf("%d rounds, %d events acknowledged, %d sent again, first redelivery after at most %v", rounds, len(l.acked), again, l.slowest)
	// What runs and what is not written down yet when the process dies.
	if again > rounds*2*childSlots {
		t.Errorf("%d were sent twice", again)
	}
	if l.slowest > 2*time.Second {
		t.Errorf("the first redelivery came %v after a restart", l.slowest)
	}
}

// A bulk replay that is interrupted by kill -9 goes on after the restart and takes
// each event once.
func TestKilledBulkReplayGoesOn(t *testing.T) {
	dir := t.TempDir()
	const n = 1500
	e := prepare(t, dir, func(p *plant, e controlplane.Endpoint) {
		p.exhausted(e, n)
		p.replay(e, controlplane.ReplayFailed, time.Time{})
	})
	l := ledgerOf{acked: map[string]bool{}, sent: map[string]int{}}
	for round := range 3 {
		l.kill(t, "run", dir, func(_, sent int) bool { return sent > 20+30*round })
	}
	p := openPlant(t, dir, delivery.Limits{})
	defer p.close()
	p.start()
	p.settled(e)
	replays := map[string]int{}
	for _, d := range p.deliveries(e) {
		if d.ReplayOf != "" {
			replays[d.EventID]++
			if d.State != controlplane.DeliveryDelivered {
				t.Errorf("a replay is %s", d.State)
			}
		}
	}
	for id, times := range replays {
		if times != 1 {
			t.Errorf("%s was replayed %d times", id, times)
		}
	}
	if job := p.look(e).Replays[0]; len(replays) != n || job.Deliveries != n || job.FinishedAt.IsZero() {
		t.Errorf("%d of %d were replayed: %+v", len(replays), n, job)
	}
}

// prepare makes a database with one endpoint.
func prepare(t *testing.T, dir string, fill func(*plant, controlplane.Endpoint)) controlplane.Endpoint {
	t.Helper()
	p := openPlant(t, dir, delivery.Limits{})
	defer p.close()
	e := p.shop()
	fill(p, e)
	return e
}

// exhausted makes n deliveries that have failed for good.
func (p *plant) exhausted(e controlplane.Endpoint, n int) {
	p.Helper()
	p.ingest(e.MerchantID, n)
	p.update(func(ctx context.Context, tx controlplane.Tx) error {
		out, err := tx.ClaimDeliveries(ctx, controlplane.ClaimQuery{EndpointRow: e.Row, Limit: n})
		if err != nil {
			return err
		}
		for _, c := range out.Claims {
			a := controlplane.Attempt{Number: 1, At: time.Now(), Fault: controlplane.FaultStatus, Status: 500}
			if _, err := tx.FinishAttempt(ctx, controlplane.AttemptOutcome{Claim: c, Attempt: a, State: controlplane.DeliveryExhausted}); err != nil {
				return err
			}
		}
		return nil
	})
}

// settled waits until nothing is on its way.
func (p *plant) settled(e controlplane.Endpoint) {
	p.Helper()
	for {
		waiting := 0
		for _, s := range []controlplane.DeliveryState{controlplane.DeliveryPending, controlplane.DeliveryInflight} {
			f := controlplane.DeliveryFilter{MerchantID: e.MerchantID, Environment: e.Environment, EndpointID: e.ID, State: s, Limit: 1}
			page, err := p.ListDeliveries(p.Context(), root(), f)
			p.must(err)
			waiting += len(page)
		}
		jobs := p.look(e).Replays
		if waiting == 0 && (len(jobs) == 0 || !jobs[0].FinishedAt.IsZero()) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// ledgerOf is what the processes said before they were killed.
type ledgerOf struct {
	acked map[string]bool
	sent  map[string]int
	// slowest is the longest that a restart took until it sent what was left over.
	slowest time.Duration
}

// kill runs a process until enough has happened.
func (l *ledgerOf) kill(t *testing.T, role, dir string, enough func(acks, sent int) bool) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	before, redelivered := len(l.acked) > 0, false
	acks, sent, killed := 0, 0, false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, id, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "ack":
			l.acked[id] = true
			acks++
		case "sent":
			id, after, _ := strings.Cut(id, " ")
			if before && !redelivered && l.acked[id] && l.sent[id] <= 1 {
				redelivered = true
				d, err := time.ParseDuration(after)
				if err != nil {
					t.Fatal(err)
				}
				l.slowest = max(l.slowest, d)
			}
			l.sent[id]++
			sent++
		default:
			t.Fatalf("the process said %q", lines.Text())
		}
		if !killed && enough(acks, sent) {
			killed = true
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Wait(); err == nil || !killed {
		t.Fatalf("the process ended by itself: %v", err)
	}
}

// childSlots keeps few attempts in flight, so that few are repeated.
const childSlots = 16

// child is the process that is killed. It says what it has done.
func child(role, dir string) {
	p := openPlant(childTB{}, dir, delivery.Limits{Slots: childSlots})
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if _, err := fmt.Printf(format, args...); err != nil {
			os.Exit(3)
		}
	}
	began := time.Now()
	p.receiver.takes(5 * time.Millisecond)
	p.receiver.answers(func(r delivery.Request) delivery.Result {
		say("sent %s %v\n", r.EventID, time.Since(began))
		return delivery.Result{Status: 200}
	})
	p.start()
	var merchantID string
	p.view(func(ctx context.Context, tx controlplane.Tx) error {
		all, err := tx.Merchants(ctx, controlplane.MerchantFilter{})
		merchantID = all[0].ID
		return err
	})
	for range 16 {
		go func() {
			for role == "ingest" {
				say("ack %s\n", p.ingest(merchantID, 1)[0])
			}
		}()
	}
	select {}
}

// childTB lets the kit be used outside of a test.
type childTB struct{ testing.TB }

func (childTB) Helper()                  {}
func (childTB) Context() context.Context { return context.Background() }
func (childTB) Cleanup(func())           {}
func (childTB) Name() string             { return "child" }
func (childTB) Logf(string, ...any)      {}
func (childTB) Failed() bool             { return false }

func (childTB) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(2)
}
