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
	"sync/atomic"
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
	// crashRate is how many events a second are handed in meanwhile.
	crashRate = 2000
	// restartAim is what the first redelivery should take from the start of a process;
	// a busy machine gets restartBound.
	restartAim   = 2 * time.Second
	restartBound = 10 * restartAim
)

// No event that was acknowledged before kill -9 is lost. What was in flight is sent
// again soon after the restart under the same id, and nothing that is written down
// as delivered is.
func TestKillLosesNoAcknowledgedEvent(t *testing.T) {
	dir := t.TempDir()
	e := prepare(t, dir, func(p *plant, e controlplane.Endpoint) {})
	l := newLedger()
	rounds := crashRounds
	if text := os.Getenv(roundsEnv); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for round := range rounds {
		l.kill(t, "ingest", dir, func(acks, _ int) bool { return acks > 400+100*(round%5) })
		l.inspect(t, dir, e)
	}
	p := openPlant(t, dir, delivery.Limits{})
	defer p.close()
	p.start()
	p.settled(e)
	delivered := p.delivered(e)
	for id := range l.acked {
		if !delivered[id] {
			t.Errorf("%s was acknowledged and is not delivered", id)
		}
	}
	l.report(t, rounds)
}

// inspect reads what is written down after a kill.
func (l *ledgerOf) inspect(t *testing.T, dir string, e controlplane.Endpoint) {
	t.Helper()
	p := openPlant(t, dir, delivery.Limits{})
	defer p.close()
	l.done = p.delivered(e)
}

// delivered are the ids of the events that have arrived.
func (p *plant) delivered(e controlplane.Endpoint) map[string]bool {
	p.Helper()
	ids := map[string]bool{}
	for _, d := range p.deliveries(e) {
		if d.State == controlplane.DeliveryDelivered {
			ids[d.EventID] = true
		}
	}
	return ids
}

func (l *ledgerOf) report(t *testing.T, rounds int) {
	t.Helper()
	again := 0
	for _, n := range l.sent {
		again += n - 1
	}
	t.Logf("%d rounds, %d events acknowledged, %.0f a second, %d sent again, first redelivery %v after a start at most, in %d of %d rounds within %v",
		rounds, len(l.acked), float64(len(l.acked))/l.running.Seconds(), again, l.slowest, l.intime, l.redelivered, restartAim)
	// What runs and what is not written down yet when the process dies.
	waiting := int(2 * delivery.RecordLinger.Seconds() * float64(len(l.acked)) / l.running.Seconds())
	if again > rounds*(2*childSlots+waiting) {
		t.Errorf("%d were sent twice", again)
	}
	if rounds > 1 && l.redelivered == 0 || l.slowest > restartBound {
		t.Errorf("%d restarts redelivered, the first redelivery came after %v", l.redelivered, l.slowest)
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
	l := newLedger()
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
	round int
	acked map[string]int // the round it was in
	sent  map[string]int // how often
	// done are those that were delivered when the last process was killed.
	done map[string]bool
	// redelivered is how many starts found something left over; slowest is the
	// longest that one took until it sent of that, intime how many took no longer
	// than the aim.
	redelivered, intime int
	slowest             time.Duration
	// running is how long events came in.
	running time.Duration
}

func newLedger() *ledgerOf {
	return &ledgerOf{acked: map[string]int{}, sent: map[string]int{}}
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
	l.round++
	start := time.Now()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var first time.Time
	acks, sent, killed, redelivered := 0, 0, false, false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, id, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "ack":
			if l.acked[id] = l.round; acks == 0 {
				first = time.Now()
			}
			acks++
		case "sent":
			if l.old(id) && !redelivered {
				redelivered = true
				l.took(time.Since(start))
			}
			if l.done[id] {
				t.Errorf("%s was delivered, and is sent again", id)
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
	if acks > 0 {
		l.running += time.Since(first)
	}
	if err := c.Wait(); err == nil || !killed {
		t.Fatalf("the process ended by itself: %v", err)
	}
}

// old reports whether an event was acknowledged by an earlier process.
func (l *ledgerOf) old(id string) bool { return l.acked[id] > 0 && l.acked[id] < l.round }

func (l *ledgerOf) took(d time.Duration) {
	l.redelivered++
	l.slowest = max(l.slowest, d)
	if d <= restartAim {
		l.intime++
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
	p.receiver.takes(5 * time.Millisecond)
	p.receiver.answers(func(r delivery.Request) delivery.Result {
		say("sent %s\n", r.EventID)
		return delivery.Result{Status: 200}
	})
	p.start()
	var merchantID string
	p.view(func(ctx context.Context, tx controlplane.Tx) error {
		all, err := tx.Merchants(ctx, controlplane.MerchantFilter{})
		merchantID = all[0].ID
		return err
	})
	start := time.Now()
	var next atomic.Int64
	for range 16 {
		go func() {
			for role == "ingest" {
				time.Sleep(time.Until(start.Add(time.Duration(next.Add(1)) * time.Second / crashRate)))
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
