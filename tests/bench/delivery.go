package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	// manyEndpoints is the most that a kind has.
	manyEndpoints = 1000
	// producers and loopers are how many requests of a backend, and of the bare loop,
	// are under way at once.
	producers = 64
	loopers   = 64
	// settle lets the server write down what has arrived, before its CPU is read.
	settle = 100 * time.Millisecond
)

// kind is one way to load the server.
type kind struct {
	name      string
	endpoints int
	batch     int
	rate      float64
	conns     int
}

func kinds() []kind {
	return []kind{
		{name: "ingest alone, single events", conns: producers},
		{name: "ingest alone, batches of 100", conns: 8, batch: 100},
		{name: "single events to 1 endpoint", endpoints: 1, conns: producers},
		{name: "single events to 100 endpoints", endpoints: 100, conns: producers},
		{name: "single events to 1,000 endpoints", endpoints: manyEndpoints, conns: producers},
		{name: "batches of 100 to 100 endpoints", endpoints: 100, conns: 8, batch: 100},
		{name: "batches of 100 to 1,000 endpoints", endpoints: manyEndpoints, conns: 8, batch: 100},
		{name: "1,000 events/s to 100 endpoints", endpoints: 100, conns: producers, rate: 1000},
		{name: "1,000 events/s to 1,000 endpoints", endpoints: manyEndpoints, conns: producers, rate: 1000},
	}
}

// kinds are those that were asked for, and the most endpoints that one of them has.
func (o options) kinds() (chosen []kind, most int) {
	for _, k := range kinds() {
		if strings.Contains(k.name, o.only) {
			chosen, most = append(chosen, k), max(most, k.endpoints)
		}
	}
	return chosen, max(most, 1)
}

// lab is a server that delivers, with everything around it.
type lab struct {
	o         options
	launch    launch
	server    *server
	receivers *receivers
	token     string
	merchants []string // each with one endpoint
	silent    string   // a merchant without
	runs      int
}

// newLab starts a server for receivers that run already.
func newLab(ctx context.Context, o options, dir, name string, r *receivers) (*lab, error) {
	return newLabOn(ctx, o, dir, name, "", r)
}

func newLabOn(ctx context.Context, o options, dir, name, store string, r *receivers) (l *lab, err error) {
	l = &lab{o: o, receivers: r}
	l.launch = launch{
		name: name, store: store, site: "\tmerchant_events",
		merchants: fmt.Sprintf("\t\tdelivery {\n\t\t\tallowed_ports %s\n\t\t\tallowed_private_ranges 127.0.0.0/8\n\t\t\ttrusted_ca_certs %s\n\t\t}", r.port, r.caFile),
	}
	if l.server, err = l.launch.start(ctx, o, dir); err != nil {
		return nil, err
	}
	var issued struct{ Secret string }
	err = l.server.call(ctx, "service_token.issue", fields{"name": "bench"}, &issued)
	l.token = issued.Secret
	if err == nil {
		l.silent, err = l.server.merchant(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.server.stop())
	}
	return l, nil
}

// add makes a merchant with one endpoint.
func (l *lab) add(ctx context.Context, url string) (merchant string, err error) {
	if merchant, err = l.server.merchant(ctx); err != nil {
		return "", err
	}
	var made any
	return merchant, l.server.call(ctx, "endpoint.create", fields{"merchant_id": merchant, "environment": "test", "url": url}, &made)
}

// addAll makes a merchant for each receiver.
func (l *lab) addAll(ctx context.Context) error {
	for _, url := range l.receivers.urls {
		m, err := l.add(ctx, url+pathGood)
		if err != nil {
			return err
		}
		l.merchants = append(l.merchants, m)
	}
	return nil
}

// backend hands events in for merchants.
func (l *lab) backend(k kind, merchants []string) *backend {
	l.runs++
	return &backend{to: l.server, token: l.token, merchants: merchants, conns: k.conns, batch: k.batch, rate: k.rate, run: fmt.Sprintf("%d-%d", os.Getpid(), l.runs)}
}

// pass runs one slice of a kind.
func (l *lab) pass(ctx context.Context, k kind) (p passage, err error) {
	merchants := l.merchants[:k.endpoints]
	if k.endpoints == 0 {
		merchants = []string{l.silent}
	} else if err := l.warm(ctx, merchants); err != nil {
		return p, err
	}
	before, err := l.server.used()
	if err != nil {
		return p, err
	}
	f := newFlow()
	l.receivers.flow.Store(f)
	n, err := l.backend(k, merchants).send(ctx, f, l.o.slice)
	if err == nil && k.endpoints > 0 {
		err = f.await(ctx, n)
	}
	if err != nil {
		return p, err
	}
	time.Sleep(settle)
	after, err := l.server.used()
	p = f.passed(n)
	p.cpu, p.written = after.cpu-before.cpu, after.written-before.written
	return p, err
}

// warm sends one event to each endpoint, so that what is measured finds
// connections, as a steady flow does.
func (l *lab) warm(ctx context.Context, merchants []string) error {
	f := newFlow()
	l.receivers.flow.Store(f)
	n, err := l.backend(kind{conns: 1, batch: len(merchants), rate: 1}, merchants).send(ctx, f, 1)
	if err != nil {
		return err
	}
	return f.await(ctx, n)
}

// outcome is the slices of one kind, and of the bare loops beside each.
type outcome struct {
	kind
	passages []passage
	bare     []bare
}

// bare is how many a second the bare loop brought to the receivers.
type bare struct {
	apart  float64 // in a process of its own, as the server
	inside float64 // in the receivers' process
}

// bareLoops are the loop in both places.
type bareLoops struct {
	apart  *loopProcess
	inside *bareLoop
}

func (b bareLoops) slice(ctx context.Context, urls []string, d time.Duration) (r bare, err error) {
	if r.apart, err = b.apart.slice(urls, d); err == nil {
		r.inside, err = b.inside.slice(ctx, urls, d)
	}
	return r, err
}

// measureDelivery fills the report with events on their way to receivers, against
// the bare loop.
func measureDelivery(ctx context.Context, o options, dir string, report *report) (err error) {
	chosen, most := o.kinds()
	receivers, err := startReceivers(dir, most)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, receivers.server.Close()) }()
	l, err := newLab(ctx, o, dir, "delivering", receivers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.server.stop()) }()
	if err := l.addAll(ctx); err != nil {
		return err
	}
	apart, err := startLoop(ctx, receivers.caFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, apart.stop()) }()
	all, err := l.rounds(ctx, bareLoops{apart, newBareLoop(receivers.roots, loopers)}, chosen)
	if err != nil {
		return err
	}
	rows := deliveryHead
	for _, out := range all {
		rows += out.row() + "\n"
	}
	report.add("delivery", fmt.Sprintf("%d rounds of %s each in turn; HTTPS, %d requests of the backend and %d of the bare loop at once; backend, server and receivers on all cores.", o.rounds, o.slice, producers, loopers), rows)
	return nil
}

// rounds runs every kind in turn. The first round warms up.
func (l *lab) rounds(ctx context.Context, loops bareLoops, kinds []kind) ([]outcome, error) {
	all := make([]outcome, len(kinds))
	for i, k := range kinds {
		all[i].kind = k
	}
	for round := range l.o.rounds + 1 {
		for i := range all {
			fmt.Fprintf(os.Stderr, "\r%-40s round %d of %d", all[i].name, round, l.o.rounds)
			b, p, err := l.side(ctx, loops, all[i].kind)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[i].name, err)
			}
			if round > 0 {
				all[i].passages, all[i].bare = append(all[i].passages, p), append(all[i].bare, b)
			}
		}
	}
	fmt.Fprintln(os.Stderr)
	return all, nil
}

// side runs the bare loops to the same receivers, and then a slice.
func (l *lab) side(ctx context.Context, loops bareLoops, k kind) (b bare, p passage, err error) {
	if k.endpoints > 0 && k.rate == 0 {
		if b, err = loops.slice(ctx, l.receivers.good(k.endpoints), l.o.slice); err != nil {
			return b, p, fmt.Errorf("bare loop: %w", err)
		}
	}
	p, err = l.pass(ctx, k)
	return b, p, err
}

func (r *receivers) good(n int) []string {
	urls := make([]string, n)
	for i := range urls {
		urls[i] = r.urls[i] + pathGood
	}
	return urls
}

const deliveryHead = "| what | delivered/s | to the bare loop | to a loop in the receivers' process | commit to arrival, p50 / p95 / p99 ms | request to arrival, p50 / p99 ms | ingest/s | ingest p99 ms | CPU ms per 1,000 | kB written per event |\n" +
	"|---|---:|---|---|---|---|---:|---:|---:|---:|\n"

func (o outcome) row() string {
	of := func(figure func(passage) float64) float64 {
		all := make([]float64, len(o.passages))
		for i, p := range o.passages {
			all[i] = figure(p)
		}
		return median(all)
	}
	ms := func(times func(passage) []time.Duration, q float64) string {
		return fmt.Sprintf("%.1f", of(func(p passage) float64 { return quantile(times(p), q) }))
	}
	commit, whole, answer := func(p passage) []time.Duration { return p.commit }, func(p passage) []time.Duration { return p.whole }, func(p passage) []time.Duration { return p.answer }
	cells := []string{o.name, "", "", "", "", "", fmt.Sprintf("%.0f", of(passage.intakeRate)), ms(answer, 0.99), fmt.Sprintf("%.0f", of(passage.cpuMillis)), fmt.Sprintf("%.1f", of(passage.writtenKB))}
	if o.endpoints > 0 {
		cells[1] = fmt.Sprintf("%.0f", of(passage.perSecond))
		cells[4] = ms(commit, 0.5) + " / " + ms(commit, 0.95) + " / " + ms(commit, 0.99)
		cells[5] = ms(whole, 0.5) + " / " + ms(whole, 0.99)
	}
	if o.endpoints > 0 && o.rate == 0 {
		cells[2] = o.ratio(func(b bare) float64 { return b.apart })
		cells[3] = o.ratio(func(b bare) float64 { return b.inside })
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

// ratio is of the deliveries a second to those of a bare loop.
func (o outcome) ratio(of func(bare) float64) string {
	ratios, bares := make([]float64, len(o.passages)), make([]float64, len(o.passages))
	for i, p := range o.passages {
		bares[i] = of(o.bare[i])
		ratios[i] = p.perSecond() / bares[i]
	}
	return spread(ratios) + fmt.Sprintf(" of %.0f", median(bares))
}
