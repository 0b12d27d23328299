package caddymodule

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
)

// refuse answers a request that may not pass. It is an answer, not an error for
// Caddy's error routes: those cannot know what the caller is to be told.
func refuse(w http.ResponseWriter, r *http.Request, d *decision, refusal *gate.Refusal, docPage string) error {
	presentation := gate.Presentation{RequestID: d.requestID, DocPage: docPage}
	header := w.Header()
	var text []byte
	if gate.PrefersProblem(r.Header) {
		header.Set("Content-Type", gate.MediaProblem)
		text = refusal.AppendProblem(nil, presentation)
	} else {
		header.Set("Content-Type", gate.MediaJSON)
		text = refusal.AppendJSON(nil, presentation)
	}
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	if scheme := refusal.WWWAuthenticate(); scheme != "" {
		header.Set("WWW-Authenticate", scheme)
	}
	if accepted := refusal.AcceptSignature(); accepted != "" {
		header.Set("Accept-Signature", accepted)
	}
	if seconds := refusal.RetryAfterSeconds(); seconds > 0 {
		header.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	w.WriteHeader(refusal.Status())
	if _, err := w.Write(text); err != nil {
		return err
	}
	linger(w, r)
	return nil
}

const (
	// lingerFrom is the longest rest of a body that net/http reads by itself.
	lingerFrom = 256 << 10
	// lingerBytes and lingerTime bound what a caller who was refused may still send.
	lingerBytes = 16 << 20
	lingerTime  = 5 * time.Second
)

// linger lets a client that is sending a body over HTTP/1.1 go on for a while after its
// answer: a connection that is closed with bytes unread is reset, and takes the answer
// with it (RFC 9112, section 9.6). net/http would pause before it closes, if Caddy did not
// wrap bodies. A client that expects 100-continue waits for the answer.
func linger(w http.ResponseWriter, r *http.Request) {
	short := r.ContentLength >= 0 && r.ContentLength <= lingerFrom
	if short || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
		return
	}
	control := http.NewResponseController(w)
	if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, lingerBytes) // what does not come is not missed
}

// noteRefusal counts and logs. Caddy logs 4xx answers at DEBUG only, and never
// why. The line holds neither the query nor anything that was signed.
func (h *MerchantAuth) noteRefusal(r *http.Request, d *decision, refusal *gate.Refusal) {
	d.code, d.facts = string(refusal.Code), refusal.Facts
	h.app.data.refused(d, r, refusal, h.app.snapshot(), !h.ReportOnly)
	level := zap.InfoLevel
	if refusal.Cause != nil {
		level = zap.ErrorLevel
	}
	// The message names the code, so that a flood of one refusal does not take the
	// lines of the others: lines are sampled by message.
	entry := h.logger.Check(level, "request refused: "+string(refusal.Code))
	if entry == nil {
		return
	}
	fields := []zap.Field{
		zap.Inline(d),
		zap.Stringer("client_ip", refusal.Facts.ClientIP),
		zap.String("method", shortened(r.Method, 32)),
		zap.String("path", shortened(pathOf(facts(r).Target), 256)),
	}
	if refusal.Hint != "" {
		fields = append(fields, zap.String("hint", refusal.Hint))
	}
	if refusal.Cause != nil {
		fields = append(fields, zap.Error(refusal.Cause))
	}
	if h.ReportOnly {
		fields = append(fields, zap.Bool("report_only", true))
	}
	entry.Write(fields...)
}

// pathOf leaves the query out: it may hold what only the merchant may know.
func pathOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	return path
}

func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
