package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// raw is a request that no decent client sends: fields go out in their order, by
// the names and as often as they are here.
type raw struct {
	method, target, host string
	fields               [][2]string
	body                 string
	// trailers are sent after the body, which is then chunked.
	trailers [][2]string
}

func (r *raw) add(name, value string) { r.fields = append(r.fields, [2]string{name, value}) }

// rawAnswer has status 0 when the server only hung up.
type rawAnswer struct {
	status int
	body   string
}

const rawTimeout = 20 * time.Second

// http1 sends r over a plain connection.
func (r *raw) http1(address string) (rawAnswer, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return rawAnswer{}, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(rawTimeout)); err != nil {
		return rawAnswer{}, err
	}
	if _, err := io.WriteString(c, r.text()); err != nil {
		return rawAnswer{}, err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return rawAnswer{}, nil // hung up
	}
	body, err := io.ReadAll(res.Body)
	return rawAnswer{res.StatusCode, string(body)}, errors.Join(err, res.Body.Close())
}

func (r *raw) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r.method, r.target, r.host)
	for _, f := range r.fields {
		b.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	switch {
	case r.trailers != nil:
		fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\n\r\n")
		if r.body != "" {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(r.body), r.body)
		}
		b.WriteString("0\r\n")
		for _, f := range r.trailers {
			b.WriteString(f[0] + ": " + f[1] + "\r\n")
		}
		b.WriteString("\r\n")
	case r.body != "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(r.body), r.body)
	default:
		b.WriteString("\r\n")
	}
	return b.String()
}

// pseudo are the fields as HTTP/2 and 3 send them.
func (r *raw) pseudo() [][2]string {
	all := [][2]string{{":method", r.method}, {":scheme", "https"}, {":authority", r.host}, {":path", r.target}}
	for _, f := range r.fields {
		all = append(all, [2]string{strings.ToLower(f[0]), f[1]})
	}
	if r.body != "" && r.trailers == nil {
		all = append(all, [2]string{"content-length", strconv.Itoa(len(r.body))})
	}
	return all
}

// http2 sends r frame by frame.
func (r *raw) http2(address string, config *tls.Config) (rawAnswer, error) {
	config = config.Clone()
	config.NextProtos = []string{"h2"}
	c, err := tls.Dial("tcp", address, config)
	if err != nil {
		return rawAnswer{}, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(rawTimeout)); err != nil {
		return rawAnswer{}, err
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encode := func(fields [][2]string) []byte {
		block.Reset()
		for _, f := range fields {
			_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // into memory
		}
		return bytes.Clone(block.Bytes())
	}
	out := bufio.NewWriter(c)
	framer := http2.NewFramer(out, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err = out.WriteString(http2.ClientPreface)
	more := r.body != "" || r.trailers != nil
	err = errors.Join(err, framer.WriteSettings(), framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: encode(r.pseudo()), EndHeaders: true, EndStream: !more,
	}))
	if more {
		err = errors.Join(err, framer.WriteData(1, r.trailers == nil, []byte(r.body)))
	}
	if r.trailers != nil {
		err = errors.Join(err, framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, BlockFragment: encode(lowered(r.trailers)), EndHeaders: true, EndStream: true,
		}))
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return rawAnswer{}, err
	}
	return readHTTP2(framer)
}

func lowered(fields [][2]string) (out [][2]string) {
	for _, f := range fields {
		out = append(out, [2]string{strings.ToLower(f[0]), f[1]})
	}
	return out
}

func readHTTP2(framer *http2.Framer) (a rawAnswer, err error) {
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return a, nil // hung up
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if a.status, err = strconv.Atoi(f.PseudoValue("status")); err != nil {
				return a, err
			}
		case *http2.DataFrame:
			a.body += string(f.Data())
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return a, nil
		}
		if f.Header().StreamID == 1 && f.Header().Flags.Has(http2.FlagDataEndStream) {
			return a, nil
		}
	}
}

// Frame and stream types of RFC 9114.
const (
	h3Data     = 0x0
	h3Headers  = 0x1
	h3Settings = 0x4
	h3Control  = 0x0
)

// http3 sends r frame by frame over QUIC.
func (r *raw) http3(address string, config *tls.Config) (rawAnswer, error) {
	config = config.Clone()
	config.NextProtos = []string{"h3"}
	ctx, cancel := context.WithTimeout(context.Background(), rawTimeout)
	defer cancel()
	c, err := quic.DialAddr(ctx, address, config, nil)
	if err != nil {
		return rawAnswer{}, err
	}
	return r.over(ctx, c)
}

// over sends r over a connection, and ends it.
func (r *raw) over(ctx context.Context, c *quic.Conn) (rawAnswer, error) {
	defer func() { _ = c.CloseWithError(0x100, "") }() // H3_NO_ERROR; the test has its answer
	control, err := c.OpenUniStream()
	if err != nil {
		return rawAnswer{}, err
	}
	if _, err := control.Write([]byte{h3Control, h3Settings, 0}); err != nil {
		return rawAnswer{}, err
	}
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		return rawAnswer{}, err
	}
	if err := s.SetDeadline(time.Now().Add(rawTimeout)); err != nil {
		return rawAnswer{}, err
	}
	message := appendH3(nil, h3Headers, qpackBlock(r.pseudo()))
	if r.body != "" {
		message = appendH3(message, h3Data, []byte(r.body))
	}
	if r.trailers != nil {
		message = appendH3(message, h3Headers, qpackBlock(lowered(r.trailers)))
	}
	if _, err = s.Write(message); err == nil {
		_ = s.Close() // either may fail when the server wants no more; it has answered then
	}
	return readHTTP3(bufio.NewReader(s))
}

func qpackBlock(fields [][2]string) []byte {
	var block bytes.Buffer
	encoder := qpack.NewEncoder(&block)
	for _, f := range fields {
		_ = encoder.WriteField(qpack.HeaderField{Name: f[0], Value: f[1]}) // into memory
	}
	return block.Bytes()
}

func appendH3(b []byte, kind uint64, payload []byte) []byte {
	b = quicvarint.Append(quicvarint.Append(b, kind), uint64(len(payload)))
	return append(b, payload...)
}

func readHTTP3(in *bufio.Reader) (a rawAnswer, err error) {
	for {
		kind, err := quicvarint.Read(in)
		if err != nil {
			return a, nil // the end, or reset
		}
		length, err := quicvarint.Read(in)
		if err != nil {
			return a, nil
		}
		payload := make([]byte, length)
		if _, err := io.ReadFull(in, payload); err != nil {
			return a, nil
		}
		switch {
		case kind == h3Data:
			a.body += string(payload)
		case kind == h3Headers && a.status == 0:
			if a.status, err = h3Status(payload); err != nil {
				return a, err
			}
		}
	}
}

func h3Status(block []byte) (int, error) {
	next := qpack.NewDecoder().Decode(block)
	for {
		f, err := next()
		if err != nil {
			return 0, err
		}
		if f.Name == ":status" {
			return strconv.Atoi(f.Value)
		}
	}
}
