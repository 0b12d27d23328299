package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// bareLoop posts to receivers as fast as the HTTP client goes that the sender has:
// what a delivery would cost without a queue, a signature and a record.
type bareLoop struct {
	transport *http.Transport // the sender, too, uses no http.Client
	conns     int
}

// newBareLoop has the sender's settings, but for its checks of addresses.
func newBareLoop(roots *x509.CertPool, conns int) *bareLoop {
	t := &http.Transport{
		TLSClientConfig:    &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, NextProtos: []string{"http/1.1"}},
		DisableCompression: true, MaxIdleConns: 1024, MaxIdleConnsPerHost: 16, IdleConnTimeout: 4 * time.Second, MaxResponseHeaderBytes: 32 << 10,
		Protocols: new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return &bareLoop{transport: t, conns: conns}
}

const bareBody = `{"type":"deposit.success","timestamp":"2026-07-01T12:00:00.000000Z","environment":"test","data":{"n":-1,"id":"dep_01jh2y3d4e5f6g7h8j9k0m1n2p",` +
	`"amount":"1500.00","currency":"THB","reference":"order-2026-000123","paid_at":"2026-07-01T12:00:00Z","channel":"promptpay"}}`

// slice returns how many a second were answered for a while, once each receiver had
// a connection.
func (l *bareLoop) slice(ctx context.Context, urls []string, d time.Duration) (perSecond float64, err error) {
	defer l.transport.CloseIdleConnections()
	if err := l.warm(ctx, urls); err != nil {
		return 0, err
	}
	return l.run(ctx, urls, d)
}

// warm opens a connection to each receiver, so that what is measured finds one.
func (l *bareLoop) warm(ctx context.Context, urls []string) error {
	for _, url := range urls {
		if err := l.post(ctx, url); err != nil {
			return err
		}
	}
	return nil
}

func (l *bareLoop) run(ctx context.Context, urls []string, d time.Duration) (perSecond float64, err error) {
	var next, done atomic.Int64
	start := time.Now()
	errs := make(chan error, l.conns)
	var all sync.WaitGroup
	for range l.conns {
		all.Go(func() {
			var err error
			for err == nil && time.Since(start) < d && ctx.Err() == nil {
				if err = l.post(ctx, urls[int(next.Add(1))%len(urls)]); err == nil {
					done.Add(1)
				}
			}
			errs <- err
		})
	}
	all.Wait()
	wall := time.Since(start)
	close(errs)
	for err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(done.Load()) / wall.Seconds(), ctx.Err()
}

func (l *bareLoop) post(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(bareBody))
	if err != nil {
		return err
	}
	req.Header = http.Header{
		"webhook-id": {"evt_01jh2y3d4e5f6g7h8j9k0m1n2p"}, "webhook-timestamp": {"1790000000"},
		"webhook-signature": {"v1,bcTcGcjUAj3vDoAdcBQCRCN1Bk4dvkmPl4VJMwE4fFM="},
		"content-type":      {"application/json"}, "User-Agent": {"UnknownPay-Webhooks/1.0"},
	}
	answer, err := l.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("answer %d", answer.StatusCode)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}
