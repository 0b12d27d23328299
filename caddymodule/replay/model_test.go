package replay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// world is a store on a disk that fails, and the plain record of all that it ever accepted.
type world struct {
	t        *rapid.T
	m        *Memory
	disk     *powerDisk
	clock    *testClock
	capacity int64
	accepted map[string]use // every pair that was ever told fresh
	tried    []use          // every signed request ever made, for replays
	life     int            // counts the unclean starts
	latest   int64          // the furthest that the clock has been: what expired then stays expired
	next     int
}

// use is a signed request: its timestamp is covered by the MAC, so a replay has the same.
type use struct {
	nonce              string
	timestamp, expires int64
	life               int // when it was accepted
}

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, clock: newClock(), accepted: map[string]use{},
		capacity: rapid.SampledFrom([]int64{3, 40, 100_000}).Draw(t, "capacity"),
		disk:     newPowerDisk(rapid.Uint64().Draw(t, "disk")),
	}
	w.open()
	return w
}

// open starts the store until it comes up; each failed try may have lost the power at another step.
func (w *world) open() {
	for {
		m, err := openMemory(MemoryOptions{Capacity: w.capacity, Clock: w.clock.now}, w.disk)
		if err == nil {
			w.m = m
			break
		}
		if !w.disk.dead {
			w.t.Fatalf("start on a sound disk: %v", err)
		}
		w.disk = w.disk.powerUp()
	}
	if w.m.Recovery().Start == UncleanStart {
		w.life++
	}
}

func (w *world) use(u use) {
	before := w.m.Stats()
	fresh, err := w.m.Use(context.Background(), "key", u.nonce, u.timestamp, u.expires)
	old, known := w.accepted[u.nonce]
	switch {
	case fresh && err != nil:
		w.t.Fatalf("%+v is fresh with %v", u, err)
	case fresh && known && old.timestamp == u.timestamp:
		w.t.Fatalf("replay accepted: %+v, first as %+v", u, old)
	case fresh && known && old.life == w.life && w.latest <= old.expires:
		w.t.Fatalf("live nonce accepted again: %+v, first as %+v", u, old)
	case fresh && before.Live >= w.capacity:
		w.t.Fatalf("accepted nonce %d of %d", before.Live+1, w.capacity)
	case err == nil && !fresh && !known:
		w.t.Fatalf("a nonce never accepted is called replayed: %+v", u)
	}
	if w.mustPass(u, known, before) && !fresh {
		w.t.Fatalf("refused without a reason: %+v: %v; floor %d, %+v", u, err, w.m.NotBefore(), before)
	}
	if fresh {
		u.life = w.life
		w.accepted[u.nonce] = u
	}
}

func (w *world) mustPass(u use, known bool, before Stats) bool {
	return !known && !w.disk.broken && u.timestamp > w.m.NotBefore() &&
		u.timestamp <= w.clock.unix()+MaxAhead && before.Live < w.capacity
}

// check holds the count of live nonces against the record: those of this life above the floor.
func (w *world) check(t *rapid.T) {
	w.latest = max(w.latest, w.clock.unix())
	live, floor := w.m.Stats().Live, w.m.NotBefore()
	for _, u := range w.accepted {
		if u.life == w.life && u.timestamp > floor {
			live--
		}
	}
	if live != 0 {
		t.Fatalf("the store counts %d nonces too many", live)
	}
}

func (w *world) fresh(t *rapid.T) {
	w.next++
	u := use{nonce: strconv.Itoa(w.next), timestamp: w.clock.unix() + rapid.Int64Range(-1000, 950).Draw(t, "offset")}
	u.expires = u.timestamp + rapid.SampledFrom([]int64{120, 600, 1800}).Draw(t, "retention")
	w.tried = append(w.tried, u)
	w.use(u)
}

func (w *world) burst(t *rapid.T) {
	now := w.clock.unix()
	for range rapid.IntRange(1, 300).Draw(t, "size") {
		w.next++
		u := use{nonce: strconv.Itoa(w.next), timestamp: now, expires: now + 600}
		w.tried = append(w.tried, u)
		w.use(u)
	}
}

func (w *world) replay(t *rapid.T) {
	if len(w.tried) == 0 {
		t.Skip("nothing to replay")
	}
	u := rapid.SampledFrom(w.tried).Draw(t, "request")
	u.expires = u.timestamp + rapid.SampledFrom([]int64{120, 600, 1800}).Draw(t, "retention")
	w.use(u)
}

func (w *world) reuseNonce(t *rapid.T) {
	if len(w.tried) == 0 {
		t.Skip("nothing to use again")
	}
	u := rapid.SampledFrom(w.tried).Draw(t, "request")
	u.timestamp = w.clock.unix()
	u.expires = u.timestamp + 600
	w.use(u)
}

func (w *world) setCapacity(t *rapid.T) {
	w.capacity = rapid.SampledFrom([]int64{1, 3, 40, 100_000}).Draw(t, "capacity")
	if err := w.m.SetCapacity(w.capacity); err != nil {
		t.Fatal(err)
	}
}

// restart is graceful, unless the power goes on the way down or up again.
func (w *world) restart(t *rapid.T) {
	w.disk.cutAt = w.disk.steps + rapid.IntRange(0, 30).Draw(t, "cut")
	if err := w.m.Close(); err != nil {
		if !errors.Is(err, errPower) && !w.disk.broken {
			t.Fatal(err)
		}
	}
	w.disk.broken = false
	if w.disk.dead {
		w.disk = w.disk.powerUp()
	}
	w.open()
	w.disk.cutAt = 0
}

func (w *world) kill(t *rapid.T) {
	crashed := w.disk.killed()
	if rapid.Bool().Draw(t, "power") {
		crashed = crashed.powerUp()
	}
	w.disk = crashed
	w.m.mark.stop()
	w.open()
}

// TestNoReplayPassesWhateverHappens holds the store against the plain record: uses, replays,
// clocks that go on, jump and come back, failing disks, restarts, kills and power cuts at any step.
func TestNoReplayPassesWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer func() { w.m.mark.stop() }()
		t.Repeat(map[string]func(*rapid.T){
			"":         w.check,
			"fresh":    w.fresh,
			"burst":    w.burst,
			"replay":   w.replay,
			"reuse":    w.reuseNonce,
			"capacity": w.setCapacity,
			"restart":  w.restart,
			"kill":     w.kill,
			"renew":    func(*rapid.T) { w.m.mark.renew() },
			"disk":     func(t *rapid.T) { w.disk.broken = rapid.Bool().Draw(t, "broken") },
			"wait":     func(t *rapid.T) { w.clock.add(rapid.Int64Range(0, 400).Draw(t, "seconds")) },
			"jump":     func(t *rapid.T) { w.clock.add(rapid.Int64Range(-4000, 90_000).Draw(t, "seconds")) },
			"correct":  func(*rapid.T) { w.clock.at(epochStart + int64(w.next)) },
		})
	})
}

// TestPowerCutAtEveryStep walks through a life of two starts, uses and a graceful stop, and cuts the
// power before each step the disk makes on the way, several times for its random losses.
func TestPowerCutAtEveryStep(t *testing.T) {
	steps := liveAndDie(t, newPowerDisk(0))
	for cut := 1; cut <= steps+1; cut++ {
		for seed := range uint64(20) {
			t.Run(fmt.Sprintf("%d/%d", cut, seed), func(t *testing.T) {
				d := newPowerDisk(seed)
				d.cutAt = cut
				liveAndDie(t, d)
			})
		}
	}
}

func liveAndDie(t *testing.T, d *powerDisk) (steps int) {
	c := newClock()
	accepted := map[string]int64{}
	graceful := false
	for range 2 {
		m, err := openMemory(MemoryOptions{Capacity: 100, Clock: c.now}, d)
		if err != nil {
			break
		}
		for i := range int64(3) {
			nonce := strconv.FormatInt(c.unix()+i, 10)
			if got, err := m.Use(context.Background(), "key", nonce, c.unix()+100*i, c.unix()+keep); got && err == nil {
				accepted[nonce] = c.unix() + 100*i
			}
			c.add(1)
		}
		err = m.Close()
		if err != nil && !errors.Is(err, errPower) {
			t.Fatal(err)
		}
		graceful = err == nil
	}
	steps = d.steps
	m, err := openMemory(MemoryOptions{Capacity: 100, Clock: c.now}, d.powerUp())
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, m)
	if graceful && !d.dead && m.Recovery().Start != CleanStart {
		t.Errorf("a graceful stop and then a power cut made %+v", m.Recovery())
	}
	for nonce, timestamp := range accepted {
		if got, err := m.Use(context.Background(), "key", nonce, timestamp, timestamp+keep); got {
			t.Errorf("%s accepted again after %v (%v)", nonce, m.Recovery(), err)
		}
	}
	c.at(m.NotBefore() + 1)
	want(t, m, "new", c.unix(), fresh)
	return steps
}

func TestFailedMarkWriteIsNotAcceptance(t *testing.T) {
	d, c := newPowerDisk(1), newClock()
	m, err := openMemory(MemoryOptions{Capacity: 100, Clock: c.now}, d)
	if err != nil {
		t.Fatal(err)
	}
	want(t, m, "a", c.unix(), fresh)
	d.broken = true
	want(t, m, "b", c.unix(), fresh) // covered by the mark already
	c.add(10)
	want(t, m, "c", c.unix(), ErrUnavailable)
	m.mark.renew()
	want(t, m, "c", c.unix(), ErrUnavailable)
	d.broken = false
	want(t, m, "c", c.unix(), fresh)
	d.broken = true
	if err := m.Close(); !errors.Is(err, errIO) {
		t.Errorf("close reports %v", err)
	}
	if again := m.Close(); !errors.Is(again, errIO) {
		t.Errorf("second close reports %v", again)
	}
}
