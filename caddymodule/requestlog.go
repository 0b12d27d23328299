package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	defaultLogSample = 0.01
	defaultLogQueue  = 4096
	minLogQueue      = 16
	maxLogQueue      = 1 << 16
)

// RequestLog says what is kept of requests, for the pages on which merchants find
// out why one was refused. Every request is counted; refused ones are listed, up to
// 1,000 at once and then one a second for each merchant, so that a flood cannot fill
// the disk; of the accepted ones, those signed with test keys and a sample of the
// live ones. Neither bodies nor signatures are kept, nor values of queries, except
// for those in the string to sign of a test key.
type RequestLog struct {
	// Keep nothing, and count nothing: the pages are empty.
	Off bool `json:"off,omitempty"`

	// The share of accepted live requests that are listed, 0 to 1.
	//
	// Default: 0.01.
	Sample *float64 `json:"sample,omitempty"`

	// How many requests may wait to be written down, 16 to 65536. When so many wait,
	// further ones are counted but not listed; no request ever waits for the log.
	//
	// Default: 4096.
	Queue int `json:"queue,omitempty"`
}

func (c *RequestLog) validate() error {
	switch {
	case c == nil:
		return nil
	case c.Off && (c.Sample != nil || c.Queue != 0):
		return errors.New("request_log: it is off, so it has no sample and no queue")
	case c.Sample != nil && !(*c.Sample >= 0 && *c.Sample <= 1):
		return fmt.Errorf("request_log: sample is %v; it is a share from 0 to 1", *c.Sample)
	case c.Queue != 0 && (c.Queue < minLogQueue || c.Queue > maxLogQueue):
		return fmt.Errorf("request_log: queue is %d; it is %d to %d", c.Queue, minLogQueue, maxLogQueue)
	}
	return nil
}

// requestLogSettings are those of the configuration in force; nil: it is off.
type requestLogSettings struct {
	sample float64
	queue  int
}

func (c *RequestLog) settings() *requestLogSettings {
	set := &requestLogSettings{sample: defaultLogSample, queue: defaultLogQueue}
	switch {
	case c == nil:
		return set
	case c.Off:
		return nil
	}
	if c.Sample != nil {
		set.sample = *c.Sample
	}
	if c.Queue != 0 {
		set.queue = c.Queue
	}
	return set
}

// requestLog gathers what is known of requests. They only touch memory: counts, and
// a queue that never makes them wait. What is lost in a crash is a few seconds.
type requestLog struct {
	store  requestStore
	report func(error)
	set    atomic.Pointer[requestLogSettings]
	shards [requestShards]requestShard
	queue  chan *controlplane.LoggedRequest

	// written are rows; dropped those that a full queue or the store did not take,
	// limited those of a merchant who sends too many.
	written, dropped, limited atomic.Int64
	stop, done                chan struct{}
}

// requestStore is where the log ends up.
type requestStore interface {
	RecordRequests(ctx context.Context, b controlplane.RequestBatch) error
	PurgeRequests(ctx context.Context) (more bool, err error)
}

func newRequestLog(store requestStore, report func(error)) *requestLog {
	l := &requestLog{
		store: store, report: report, queue: make(chan *controlplane.LoggedRequest, maxLogQueue),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go l.loop()
	return l
}

// accepted takes note of a request that passed. It allocates nothing unless the
// request is listed.
func (l *requestLog) accepted(d *decision, r *http.Request) {
	set := l.set.Load()
	if set == nil {
		return
	}
	// Whoever integrates wants to see every request; live ones are too many.
	listed := d.facts.Environment == controlplane.Test || set.sample > 0 && rand.Float64() < set.sample
	if l.note(&d.facts, d.begun, controlplane.RequestAccepted, codeOK, listed) {
		l.offer(set, newEntry(d, r, &d.facts, controlplane.RequestAccepted))
	}
}

// refused takes note of a request that did not pass, or would not have.
func (l *requestLog) refused(d *decision, r *http.Request, refusal *gate.Refusal, snapshot *controlplane.Snapshot, enforced bool) {
	set := l.set.Load()
	if set == nil {
		return
	}
	f := refusal.Facts
	claim(&f, r.Header, snapshot)
	outcome := controlplane.RequestReported
	if enforced {
		outcome = controlplane.RequestRefused
	}
	if !l.note(&f, d.begun, outcome, string(refusal.Code), true) {
		return
	}
	entry := newEntry(d, r, &f, outcome)
	explain(entry, refusal)
	if !l.offer(set, entry) {
		l.unlisted(&f, d.begun, outcome, string(refusal.Code))
	}
}

// offer puts a row into the queue, unless it is full.
func (l *requestLog) offer(set *requestLogSettings, entry *controlplane.LoggedRequest) bool {
	if len(l.queue) < set.queue {
		select {
		case l.queue <- entry:
			return true
		default:
		}
	}
	l.dropped.Add(1)
	return false
}

// requestLogStatus is how the log keeps up.
type requestLogStatus struct {
	// Queued rows wait; when Capacity of them do, more are dropped.
	Queued   int   `json:"queued"`
	Capacity int   `json:"capacity"`
	Written  int64 `json:"written"`
	// Dropped rows found the queue full, or could not be written; Limited ones were
	// too many of one merchant. Since the start; all of them are counted.
	Dropped int64 `json:"dropped"`
	Limited int64 `json:"limited"`
}

// status is nil when the log is off.
func (l *requestLog) status() *requestLogStatus {
	set := l.set.Load()
	if set == nil {
		return nil
	}
	return &requestLogStatus{len(l.queue), set.queue, l.written.Load(), l.dropped.Load(), l.limited.Load()}
}

// close writes down what is left. Requests noted after it are lost.
func (l *requestLog) close() {
	close(l.stop)
	<-l.done
}

const (
	// logFlush is how often rows are written, countFlush how often counts are, and so
	// how old what the portal shows can be.
	logFlush   = time.Second
	countFlush = 5 * time.Second
	// logPerFlush bounds the rows a second, and logBatch those of one transaction,
	// which others wait for: 200 take about 5 ms.
	logPerFlush = 1000
	logBatch    = 200
	// logTimeout bounds one transaction, so that a store that hangs cannot hold up a
	// stop.
	logTimeout = 10 * time.Second
	logPurge   = time.Hour
)

func (l *requestLog) loop() {
	defer close(l.done)
	rows, counts, purge := time.NewTicker(logFlush), time.NewTicker(countFlush), time.NewTicker(logPurge)
	defer rows.Stop()
	defer counts.Stop()
	defer purge.Stop()
	purging := false
	for {
		select {
		case <-rows.C:
			l.flushRows(logPerFlush)
			purging = purging && l.purge()
		case <-counts.C:
			l.flushCounts()
		case <-purge.C:
			purging = true
		case <-l.stop:
			l.flushRows(maxLogQueue)
			l.flushCounts()
			return
		}
	}
}

// flushRows writes up to most of the rows that wait.
func (l *requestLog) flushRows(most int) {
	var batch controlplane.RequestBatch
	for range most {
		select {
		case entry := <-l.queue:
			batch.Requests = append(batch.Requests, *entry)
			l.writeIf(logBatch, &batch)
			continue
		default:
		}
		break
	}
	l.writeIf(1, &batch)
}

// flushCounts writes the counts of all shards.
func (l *requestLog) flushCounts() {
	var batch controlplane.RequestBatch
	now := time.Now()
	for i := range l.shards {
		tallies, addresses := l.shards[i].take(now)
		for key, n := range tallies {
			batch.Counts = append(batch.Counts, key.count(controlplane.SpanMinute, n), key.count(controlplane.SpanHour, n))
			l.writeIf(logBatch, &batch)
		}
		for key, n := range addresses {
			batch.Addresses = append(batch.Addresses, key.address(n))
			l.writeIf(logBatch, &batch)
		}
	}
	l.writeIf(1, &batch)
}

// writeIf writes the batch once it has enough rows. One that cannot be written is
// lost: whoever waits for a store that is away needs memory without end.
func (l *requestLog) writeIf(enough int, batch *controlplane.RequestBatch) {
	if batch.Len() < enough {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), logTimeout)
	defer cancel()
	if err := l.store.RecordRequests(ctx, *batch); err != nil {
		l.dropped.Add(int64(len(batch.Requests)))
		l.report(err)
	} else {
		l.written.Add(int64(len(batch.Requests)))
	}
	*batch = controlplane.RequestBatch{}
}

// purge deletes a slice of what is old and reports whether there may be more.
func (l *requestLog) purge() bool {
	ctx, cancel := context.WithTimeout(context.Background(), logTimeout)
	defer cancel()
	more, err := l.store.PurgeRequests(ctx)
	if err != nil {
		l.report(err)
	}
	return more && err == nil
}
