package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// backend hands events in over keep-alive connections, as the platform does.
type backend struct {
	to        *server
	token     string
	merchants []string // events go to them in turn
	conns     int
	// batch is how many events a request has; 0: one, without the batch form.
	batch int
	// rate is in events a second, 0 for as many as go.
	rate float64
	// run makes idempotency keys of this slice its own.
	run string
}

// send hands events in for a while, and returns how many.
func (b *backend) send(ctx context.Context, f *flow, d time.Duration) (int64, error) {
	var next atomic.Int64
	errs := make(chan error, b.conns)
	var all sync.WaitGroup
	for range b.conns {
		all.Go(func() { errs <- b.connection(ctx, f, d, &next) })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return next.Load(), ctx.Err()
}

func (b *backend) connection(ctx context.Context, f *flow, d time.Duration, next *atomic.Int64) error {
	c, err := net.Dial("tcp", b.to.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	var request, body []byte
	step := int64(max(1, b.batch))
	for {
		from, ok := b.turn(ctx, f, d, next, step)
		if !ok {
			return nil
		}
		body = b.appendBody(body[:0], from, step)
		request = append(b.appendHead(request[:0], from, len(body)), body...)
		for i := from; i < from+step; i++ {
			f.sent[i].Store(f.now())
		}
		if _, err := c.Write(request); err != nil {
			return err
		}
		if err := accepted(r); err != nil {
			return err
		}
		for i := from; i < from+step; i++ {
			f.answered[i].Store(f.now())
		}
	}
}

// turn takes the next events, when it is their time. ok is false when the slice is
// over; what is taken is sent.
func (b *backend) turn(ctx context.Context, f *flow, d time.Duration, next *atomic.Int64, step int64) (from int64, ok bool) {
	if b.rate == 0 {
		if ctx.Err() != nil || time.Since(f.start) >= d || next.Load()+step*int64(b.conns) > maxFlow {
			return 0, false
		}
		return next.Add(step) - step, true
	}
	for {
		from = next.Load()
		due := time.Duration(float64(from) / b.rate * float64(time.Second))
		if ctx.Err() != nil || due >= d || from+step > maxFlow {
			return 0, false
		}
		if next.CompareAndSwap(from, from+step) {
			time.Sleep(due - time.Since(f.start))
			return from, true
		}
	}
}

func (b *backend) appendHead(dst []byte, from int64, length int) []byte {
	dst = append(dst, "POST /v1/events HTTP/1.1\r\nHost: "+b.to.addr+"\r\nUser-Agent: bench\r\nAuthorization: Bearer "+b.token+"\r\nContent-Type: application/json\r\n"...)
	if b.batch == 0 {
		dst = append(dst, "Idempotency-Key: "+b.run+"-"...)
		dst = append(strconv.AppendInt(dst, from, 10), "\r\n"...)
	}
	dst = strconv.AppendInt(append(dst, "Content-Length: "...), int64(length), 10)
	return append(dst, "\r\n\r\n"...)
}

func (b *backend) appendBody(dst []byte, from, step int64) []byte {
	if b.batch == 0 {
		return append(b.appendEvent(dst, from), '}')
	}
	dst = append(dst, `{"events":[`...)
	for i := from; i < from+step; i++ {
		if i > from {
			dst = append(dst, ',')
		}
		dst = append(b.appendEvent(dst, i), `,"idempotency_key":"`+b.run+"-"...)
		dst = append(strconv.AppendInt(dst, i, 10), `"}`...)
	}
	return append(dst, "]}"...)
}

// appendEvent leaves the object open. It has the length of a real one.
func (b *backend) appendEvent(dst []byte, n int64) []byte {
	dst = append(dst, `{"merchant_id":"`+b.merchants[n%int64(len(b.merchants))]+`","environment":"test","type":"deposit.success","data":{"n":`...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, `,"id":"dep_01jh2y3d4e5f6g7h8j9k0m1n2p","amount":"1500.00","currency":"THB","reference":"order-2026-000123","paid_at":"2026-07-01T12:00:00Z","channel":"promptpay"}`...)
}

func accepted(r *bufio.Reader) error {
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("answer %d: %s", answer.StatusCode, text)
	}
	return err
}
