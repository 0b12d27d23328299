package delivery

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// BenchmarkSend compares attempts over kept TLS connections with the loop that
// anybody would write around an http.Client, eight at a time as to one endpoint,
// in the same run.
func BenchmarkSend(b *testing.B) {
	r := serve(b, func(w http.ResponseWriter, req *http.Request) {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			b.Error(err)
		}
		w.WriteHeader(http.StatusNoContent)
	}, nil)
	s := sender(b, r, nil)
	bare := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: r.authority.pool()}, MaxIdleConnsPerHost: maxIdlePerHost,
	}}
	b.Cleanup(bare.CloseIdleConnections)
	req := testRequest(r.url())
	req.Body = bytes.Repeat([]byte("x"), 512)

	header := http.Header{
		headerID: {req.EventID}, headerTimestamp: {timestamp(req.At)}, headerSignature: {"v1,bcTcGcjUAj3vDoAdcBQCRCN1Bk4dvkmPl4VJMwE4fFM="},
		headerType: {jsonType}, "User-Agent": {testAgent},
	}
	attempt := func() {
		if res := s.Send(b.Context(), req); res.Fault != "" {
			b.Errorf("got %+v", res)
		}
	}
	post := func() {
		q, err := http.NewRequestWithContext(b.Context(), http.MethodPost, req.URL, bytes.NewReader(req.Body))
		if err != nil {
			b.Error(err)
			return
		}
		q.Header = header
		answer, err := bare.Do(q)
		if err != nil {
			b.Error(err)
			return
		}
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			b.Error(err)
		}
	}
	eightAtOnce(64, attempt)
	eightAtOnce(64, post)
	// In short turns, so that both see the same machine.
	var sending, posting time.Duration
	const turn = 400
	b.ReportAllocs()
	turns := 0
	for b.Loop() {
		sending += eightAtOnce(turn, attempt)
		posting += eightAtOnce(turn, post)
		turns++
	}
	total := float64(turns * turn)
	b.ReportMetric(total/sending.Seconds(), "deliveries/s")
	b.ReportMetric(total/posting.Seconds(), "bare/s")
	b.ReportMetric(posting.Seconds()/sending.Seconds(), "ratio")
}

func eightAtOnce(n int, do func()) time.Duration {
	start := time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range n / 8 {
				do()
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

func BenchmarkSign(b *testing.B) {
	req := testRequest("")
	req.Body = bytes.Repeat([]byte("x"), 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Sign(req.Secrets, req.EventID, req.At, req.Body); err != nil {
			b.Fatal(err)
		}
	}
}
