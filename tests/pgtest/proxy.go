package pgtest

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a program and a server, and can part them without either
// noticing at once, as a network split does.
type Proxy struct {
	l      net.Listener
	target string

	mu    sync.Mutex
	open  chan struct{} // closed while it forwards
	conns []net.Conn
	wg    sync.WaitGroup
}

// NewProxy forwards to the server of a URL until the test ends. The URL that it
// returns leads through it.
func NewProxy(t testing.TB, raw string) (*Proxy, string) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: u.Host, open: make(chan struct{})}
	close(p.open)
	if p.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	u.Host = p.l.Addr().String()
	return p, u.String()
}

// Cut lets nothing through any more, and closes nothing.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

// Mend lets through what waited, and what comes.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.open)
}

func (p *Proxy) gate() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

func (p *Proxy) accept() {
	for {
		in, err := p.l.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.join(in) })
	}
}

func (p *Proxy) join(in net.Conn) {
	p.keep(in)
	<-p.gate()
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		shut(in)
		return
	}
	p.keep(out)
	p.wg.Go(func() { p.forward(in, out) })
	p.forward(out, in)
}

func (p *Proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, c)
}

func (p *Proxy) forward(from, to net.Conn) {
	defer shut(from)
	defer shut(to)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		<-p.gate()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) close() {
	shut(p.l)
	p.mu.Lock()
	for _, c := range p.conns {
		shut(c)
	}
	select {
	case <-p.open:
	default:
		close(p.open)
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// shut closes what may be closed already.
func shut(c interface{ Close() error }) {
	if err := c.Close(); err != nil {
		return
	}
}
