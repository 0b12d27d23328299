package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// sizes of bodies in bytes, and what they are called.
var sizes = [...]struct {
	name  string
	bytes int
}{{"no body", 0}, {"512 B", 512}, {"64 KiB", 64 << 10}, {"1 MiB", 1 << 20}}

// field is who takes part in the comparison of proxies.
type field struct {
	upstream    string
	gated, bare *server
	load        *loader
	who         account
	peers       []peer
}

// measureProxies fills the report with gated against bare, and against the peers.
func measureProxies(ctx context.Context, o options, dir string, report *report) (err error) {
	f := &field{}
	if o.peers {
		f.peers = peers()
	}
	for _, p := range f.peers {
		if err := p.install(ctx); err != nil {
			return err
		}
	}
	stop, err := f.start(ctx, o, dir)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	var rows, peerRows strings.Builder
	bars := chart{title: "CPU per request: checks of UNK1, to bare reverse_proxy = 1"}
	for _, size := range sizes {
		all, err := f.compare(ctx, o, dir, size.name, size.bytes)
		if err != nil {
			return err
		}
		rows.WriteString(comparison{all[0], all[1]}.row(size.name) + "\n")
		bars.add(size.name, "gateway", comparison{all[0], all[1]})
		for i, p := range f.peers {
			peerRows.WriteString(comparison{all[0], all[2+i]}.row(size.name+" | "+p.name) + "\n")
			bars.add(size.name, p.name, comparison{all[2+i], all[1]})
		}
	}
	how := fmt.Sprintf("%d rounds of %s each in turn, %d connections; proxy on one core, load and upstream on the rest; GOGC=off, GOMEMLIMIT=512MiB.", o.rounds, o.slice, o.connections)
	report.add("proxies", how, proxyHead+rows.String())
	if o.peers {
		report.add("peers", "In the same rounds as the table above, one process on the same core each.", peerHead+peerRows.String())
		report.draw("proxies", bars)
	}
	return nil
}

// start starts what is the same for all sizes. stop is never nil.
func (f *field) start(ctx context.Context, o options, dir string) (stop func() error, err error) {
	var stops []func() error
	stop = func() (err error) {
		for _, s := range stops {
			err = errors.Join(err, s())
		}
		return err
	}
	var stopUpstream func() error
	if f.upstream, stopUpstream, err = startUpstream(); err != nil {
		return stop, err
	}
	stops = append(stops, stopUpstream)
	for _, p := range []struct {
		name, site string
		to         **server
	}{{"gated", gatedSite, &f.gated}, {"bare", bareSite, &f.bare}} {
		if *p.to, err = startProxy(ctx, o, dir, p.name, p.site, f.upstream); err != nil {
			return stop, err
		}
		stops = append(stops, (*p.to).stop)
	}
	if f.who, err = f.gated.credentials(ctx, "test"); err == nil {
		f.load, err = newLoader(f.who, o.connections)
	}
	return stop, err
}

// compare measures one size: gated, bare, and then the peers.
func (f *field) compare(ctx context.Context, o options, dir, name string, size int) (all [][]slice, err error) {
	servers := []*server{f.gated, f.bare}
	for i := range f.peers {
		s, err := f.peers[i].start(ctx, dir, f.upstream, size, f.who)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
		servers = append(servers, s)
	}
	for _, s := range servers {
		if s == f.bare {
			continue
		}
		if err := f.load.checkGate(s, size); err != nil {
			return nil, err
		}
	}
	return takeTurns(ctx, o, name, f.load.subjects(size, servers...)...)
}

// subjects load servers in turn with bodies of size bytes.
func (l *loader) subjects(size int, servers ...*server) (all []subject) {
	for _, s := range servers {
		all = append(all, subject{s.name, func(ctx context.Context, d time.Duration) (slice, error) {
			return l.run(ctx, s, size, d)
		}})
	}
	return all
}

// checkGate makes sure that a server checks what it is measured for: a good request
// passes, and each kind of bad one is refused.
func (l *loader) checkGate(s *server, size int) error {
	if err := l.once(s.addr, newLoad(size)); err != nil {
		return fmt.Errorf("%s refuses a good request of %d bytes: %w", s.name, size, err)
	}
	for _, f := range []fault{faultKey, faultAddress, faultLate, faultSignature} {
		if err := l.with(f).once(s.addr, newLoad(512)); err != nil {
			return fmt.Errorf("%s does not check: %s: %w", s.name, f, err)
		}
	}
	return nil
}
