package portal

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// attemptView is one attempt as the pages show it.
type attemptView struct {
	controlplane.Attempt
	Badge badge
	Took  took
	// Steps are the phases of a new connection; one that was used again has the
	// last alone.
	Steps  []phase
	Reused bool
}

// phase is a part of an attempt; Name selects its text.
type phase struct {
	Name string
	Took took
}

func viewAttempt(a controlplane.Attempt) attemptView {
	v := attemptView{Attempt: a, Badge: badge{"bad", "attempt.failed"}, Took: took(a.Phases.Total)}
	if a.Succeeded() {
		v.Badge = badge{"good", "attempt.delivered"}
	}
	p := a.Phases
	for _, one := range []phase{{"dns", took(p.DNS)}, {"connect", took(p.Connect)}, {"tls", took(p.TLS)}, {"first_byte", took(p.FirstByte)}} {
		if one.Took > 0 {
			v.Steps = append(v.Steps, one)
		}
	}
	v.Reused = a.Address.IsValid() && p.DNS+p.Connect+p.TLS == 0 && a.Status > 0
	return v
}

// Why selects the sentence that says what happened and what to do about it.
func (v attemptView) Why() string {
	switch {
	case v.Succeeded():
		return "attempt.why.delivered"
	case v.Fault != controlplane.FaultStatus:
		return "attempt.why." + string(v.Fault)
	case v.Status >= 300 && v.Status < 400:
		return "attempt.why.redirect"
	case v.Status == http.StatusGone:
		return "attempt.why.gone"
	case v.Status == http.StatusTooManyRequests || v.Status == http.StatusServiceUnavailable:
		return "attempt.why.busy"
	case v.Status == http.StatusUnauthorized || v.Status == http.StatusForbidden:
		return "attempt.why.refused"
	}
	return "attempt.why.status"
}

// Explained: Detail says more than Why. It is in English.
func (v attemptView) Explained() bool { return v.Detail != "" && v.Fault != controlplane.FaultStatus }

// headerText is a header as it is on the wire.
func headerText(fields []controlplane.Header) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Asked and Answered are the headers.
func (v attemptView) Asked() string    { return headerText(v.RequestHeader) }
func (v attemptView) Answered() string { return headerText(v.ResponseHeader) }

// Body is made when it is drawn: of many attempts one is shown in full.
func (v attemptView) Body() excerpt { return newExcerpt(v.ResponseBody) }

// excerpt is the beginning of a body, made fit to be shown.
type excerpt struct {
	Text string
	// Size is the length of the whole, in bytes. Cut: Text is not all of it.
	Size int
	Cut  bool
}

// excerptWeight bounds what an excerpt adds to a page, as HTML.
const excerptWeight = 7 << 10

// newExcerpt replaces what cannot be shown, and stops before the page gets heavy.
func newExcerpt(body []byte) excerpt {
	e := excerpt{Size: len(body)}
	var b strings.Builder
	weight := 0
	for len(body) > 0 {
		r, n := utf8.DecodeRune(body)
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			r = utf8.RuneError
		}
		if weight += htmlWeight(r); weight > excerptWeight {
			e.Cut = true
			break
		}
		b.WriteRune(r)
		body = body[n:]
	}
	e.Text = b.String()
	return e
}

// htmlWeight is how many bytes a character has in a page, at most: these few
// become references such as &#34;.
func htmlWeight(r rune) int {
	if strings.ContainsRune(`"'&<>+`, r) {
		return len("&#34;")
	}
	return utf8.RuneLen(r)
}
