package delivery

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Whatever a receiver answers, what is kept of it is bounded, and text that a
// database takes.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0 204 No Content\r\nSet-Cookie: a=b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 503 \r\nRetry-After: 9\r\nX-Api-Token: \xff\xfe\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("é", maxKeptHeaderValue) + "\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(raw))), nil)
		if err != nil {
			return
		}
		var res Result
		err = res.read(answer)
		res.judge(t.Context(), err, seen{}, "hook.example")
		if (res.Fault == controlplane.FaultNone) != (err == nil && success(res.Status)) || (res.Fault == "") != (res.Detail == "") {
			t.Errorf("%d, %v: %s %q", res.Status, err, res.Fault, res.Detail)
		}
		if len(res.Body) > controlplane.MaxKeptBody {
			t.Errorf("%d bytes of the body are kept", len(res.Body))
		}
		size := 0
		for _, h := range res.Header {
			size += len(h.Name) + len(h.Value)
			if !utf8.ValidString(h.Name+h.Value) || strings.ContainsAny(h.Name+h.Value, "\x00\r\n") {
				t.Errorf("header %q: %q", h.Name, h.Value)
			}
		}
		if size > maxKeptHeader {
			t.Errorf("%d bytes of headers are kept", size)
		}
	})
}
