package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
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
	// late signs requests that are refused for their age.
	late bool
}

// status is what every answer must have: a refusal among requests that pass is
// cheaper than a pass and would flatter the gateway.
func (l *loader) status() int {
	if l.late {
		return http.StatusUnauthorized
	}
	return http.StatusOK
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
	body := bytes.Repeat([]byte("x"), size)
	hash := sha256.Sum256(body)
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
	for range l.conns {
		all.Go(func() { errs <- l.connection(ctx, p.addr, body, hash, &count) })
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

func (l *loader) connection(ctx context.Context, addr string, body []byte, hash [32]byte, count *atomic.Int64) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 4096)
	var buf []byte
	for ctx.Err() == nil {
		if buf, err = l.appendRequest(buf[:0], addr, body, hash); err != nil {
			return err
		}
		if _, err := c.Write(buf); err != nil {
			return err
		}
		if err := readAnswer(r, l.status()); err != nil {
			return err
		}
		count.Add(1)
	}
	return nil
}

// appendRequest signs a request with a nonce of its own.
func (l *loader) appendRequest(dst []byte, host string, body []byte, hash [32]byte) ([]byte, error) {
	nonce, err := signature.NewNonce(rand.Reader)
	if err != nil {
		return nil, err
	}
	at := time.Now()
	if l.late {
		at = at.Add(-time.Hour)
	}
	m := signature.Message{
		Timestamp: strconv.FormatInt(at.Unix(), 10), Nonce: nonce,
		Method: http.MethodPost, Host: host, Target: "/v1/payments?expand=customer", BodyHash: hash,
	}
	if len(body) == 0 {
		m.Method = http.MethodGet
	}
	dst = append(dst, m.Method+" "+m.Target+" HTTP/1.1\r\nHost: "+host+"\r\nUser-Agent: bench\r\nAccept: */*\r\n"...)
	dst = append(dst, "X-Unk-Key: "+l.keyID+"\r\nX-Unk-Timestamp: "+m.Timestamp+"\r\nX-Unk-Nonce: "+nonce+"\r\n"...)
	dst = append(dst, "X-Unk-Signature: "+signature.FormatMAC(l.key.Sum(&m))+"\r\n"...)
	if len(body) > 0 {
		dst = append(dst, "Content-Type: application/json\r\nContent-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(body)), 10)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	return append(dst, body...), nil
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
