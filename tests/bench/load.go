package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// loader sends signed requests on keep-alive connections. It writes bytes rather
// than http.Requests: it shares the machine with what it measures.
type loader struct {
	keyID string
	key   signature.MACKey
	conns int
	fault fault
	// rate is in requests a second, 0 for as many as are answered.
	rate int
	// standard signs by RFC 9421 instead of UNK1.
	standard bool
}

func newLoader(who account, conns int) (*loader, error) {
	key, err := signature.NewMACKey([]byte(who.secret))
	return &loader{keyID: who.keyID, key: key, conns: conns}, err
}

// with is the same loader for requests with a fault.
func (l loader) with(f fault) *loader {
	l.fault = f
	return &l
}

// slice is what one slice of load did.
type slice struct {
	requests int64
	wall     time.Duration
	cpu      time.Duration
}

func (s slice) perSecond() float64 { return float64(s.requests) / s.wall.Seconds() }
func (s slice) cpuEach() float64   { return float64(s.cpu.Microseconds()) / float64(s.requests) }

// run loads p for a while with bodies of size bytes.
func (l *loader) run(ctx context.Context, p *server, size int, d time.Duration) (slice, error) {
	b := newLoad(size)
	ctx, cancel := context.WithTimeoutCause(ctx, d, errSliceOver)
	defer cancel()
	var out slice
	var count atomic.Int64
	errs := make(chan error, l.conns)
	before, err := p.cpu()
	if err != nil {
		return out, err
	}
	start := time.Now()
	var all sync.WaitGroup
	for i := range l.conns {
		all.Go(func() {
			if l.rate > 0 { // not all in the same moment
				time.Sleep(l.interval() * time.Duration(i) / time.Duration(l.conns))
			}
			errs <- l.connection(ctx, p.addr, b, &count)
		})
	}
	all.Wait()
	out.wall = time.Since(start)
	close(errs)
	for err := range errs {
		if err != nil {
			return out, err
		}
	}
	after, err := p.cpu()
	out.requests, out.cpu = count.Load(), after-before
	return out, err
}

var errSliceOver = fmt.Errorf("slice is over")

// load is the body of all requests of a slice, with its hash.
type load struct {
	body []byte
	hash [sha256.Size]byte
}

func newLoad(size int) load {
	body := bytes.Repeat([]byte("x"), size)
	return load{body, sha256.Sum256(body)}
}

// once sends one request over a connection of its own.
func (l *loader) once(addr string, b load) error {
	w, err := l.open(addr, b)
	if err != nil {
		return err
	}
	defer w.Close()
	return w.exchange()
}

func (l *loader) connection(ctx context.Context, addr string, b load, count *atomic.Int64) error {
	w, err := l.open(addr, b)
	if err != nil {
		return err
	}
	defer w.Close()
	for due := time.Now(); ctx.Err() == nil; due = due.Add(l.interval()) {
		if err := w.exchange(); err != nil {
			return err
		}
		count.Add(1)
		if l.rate > 0 {
			time.Sleep(time.Until(due.Add(l.interval())))
		}
	}
	return nil
}

// interval is between two requests of a connection.
func (l *loader) interval() time.Duration {
	if l.rate == 0 {
		return 0
	}
	return time.Second * time.Duration(l.conns) / time.Duration(l.rate)
}

// wire is a connection on which requests go one after the other.
type wire struct {
	net.Conn
	load
	from   *loader
	addr   string
	answer *bufio.Reader
	buf    []byte
}

func (l *loader) open(addr string, b load) (*wire, error) {
	c, err := l.fault.dial(addr)
	if err != nil {
		return nil, err
	}
	return &wire{Conn: c, load: b, from: l, addr: addr, answer: bufio.NewReaderSize(c, 4096)}, nil
}

// exchange sends a request and reads its answer, which must be the one expected.
func (w *wire) exchange() (err error) {
	if w.buf, err = w.from.appendRequest(w.buf[:0], w.addr, w.load); err != nil {
		return err
	}
	if _, err := w.Write(w.buf); err != nil {
		return err
	}
	return readAnswer(w.answer, w.from.fault.status())
}

// appendRequest signs a request with a nonce of its own.
func (l *loader) appendRequest(dst []byte, host string, b load) ([]byte, error) {
	nonce, err := signature.NewNonce(rand.Reader)
	if err != nil {
		return nil, err
	}
	m := signature.Message{
		Timestamp: strconv.FormatInt(l.fault.at(time.Now()).Unix(), 10), Nonce: nonce,
		Method: http.MethodPost, Host: host, Target: "/v1/payments?expand=customer", BodyHash: b.hash,
	}
	if len(b.body) == 0 {
		m.Method = http.MethodGet
	}
	dst = append(dst, m.Method+" "+m.Target+" HTTP/1.1\r\nHost: "+host+"\r\nUser-Agent: bench\r\nAccept: */*\r\n"...)
	if l.standard {
		dst = l.appendStandard(dst, &m)
	} else {
		dst = l.appendUNK1(dst, &m)
	}
	if len(b.body) > 0 {
		dst = append(dst, "Content-Type: application/json\r\nContent-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(b.body)), 10)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	return append(dst, b.body...), nil
}

func (l *loader) appendUNK1(dst []byte, m *signature.Message) []byte {
	mac := l.fault.mac(l.key.Sum(m))
	dst = append(dst, "X-Unk-Key: "+l.fault.key(l.keyID)+"\r\nX-Unk-Timestamp: "+m.Timestamp+"\r\nX-Unk-Nonce: "+m.Nonce+"\r\n"...)
	return append(dst, "X-Unk-Signature: "+signature.FormatMAC(mac)+"\r\n"...)
}

// appendStandard signs the same facts by RFC 9421, the body by its digest.
func (l *loader) appendStandard(dst []byte, m *signature.Message) []byte {
	path, query, _ := strings.Cut(m.Target, "?")
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(m.BodyHash[:]) + ":"
	params := `("@method" "@authority" "@path" "@query" "content-digest");created=` + m.Timestamp + `;keyid="` + l.fault.key(l.keyID) + `";nonce="` + m.Nonce + `"`
	mac := l.fault.mac(l.key.SumBytes([]byte(`"@method": ` + m.Method + "\n" + `"@authority": ` + m.Host + "\n" + `"@path": ` + path + "\n" +
		`"@query": ?` + query + "\n" + `"content-digest": ` + digest + "\n" + `"@signature-params": ` + params)))
	dst = append(dst, "Content-Digest: "+digest+"\r\nSignature-Input: sig="+params+"\r\n"...)
	return append(dst, "Signature: sig=:"+base64.StdEncoding.EncodeToString(mac[:])+":\r\n"...)
}

func readAnswer(r *bufio.Reader, status int) error {
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != status {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1000)) // the status is the error already
		return fmt.Errorf("answer %d: %s", answer.StatusCode, text)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// startUpstream answers 200 with a few bytes, after reading the body, in this
// process: its work must not be charged to the proxy.
func startUpstream() (addr string, stop func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // the proxy gave up; it will say so
		}
		w.Header()["Date"] = nil
		_, _ = io.WriteString(w, "ok") // likewise
	})}
	go func() { _ = server.Serve(listener) }() // always ErrServerClosed, by stop
	return listener.Addr().String(), server.Close, nil
}
