package gate

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Media types of the two forms of a refusal.
const (
	MediaJSON    = "application/json"
	MediaProblem = "application/problem+json"
)

// Presentation is what a response adds to a refusal.
type Presentation struct {
	RequestID string
	// DocPage is the address of the page whose anchors are the codes in lower case.
	// If it is empty the response has no doc_url.
	DocPage string
}

// DefaultDocPage is what this version answers, in its repository.
const DefaultDocPage = "https://github.com/unknownpay/merchant-gateway/blob/main/docs/errors.md"

func (p Presentation) docURL(c Code) string {
	if p.DocPage == "" {
		return ""
	}
	return p.DocPage + "#" + strings.ToLower(string(c))
}

// AppendJSON appends the body of the response in [MediaJSON].
func (r *Refusal) AppendJSON(dst []byte, p Presentation) []byte {
	dst = append(dst, `{"error":{"code":`...)
	dst = appendString(dst, string(r.Code))
	dst = appendMember(dst, "message", r.Message)
	dst = appendMember(dst, "request_id", p.RequestID)
	if url := p.docURL(r.Code); url != "" {
		dst = appendMember(dst, "doc_url", url)
	}
	return append(r.appendDetails(dst), `}}`...)
}

// AppendProblem appends the body of the response in [MediaProblem], RFC 9457.
func (r *Refusal) AppendProblem(dst []byte, p Presentation) []byte {
	info := infoOf(r.Code)
	kind := p.docURL(r.Code)
	if kind == "" {
		kind = "about:blank"
	}
	dst = append(dst, `{"type":`...)
	dst = appendString(dst, kind)
	dst = appendMember(dst, "title", info.Title)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(info.Status), 10)
	dst = appendMember(dst, "detail", r.Message)
	dst = appendMember(dst, "code", string(r.Code))
	dst = appendMember(dst, "request_id", p.RequestID)
	return append(r.appendDetails(dst), '}')
}

func (r *Refusal) appendDetails(dst []byte) []byte {
	if len(r.Details) == 0 {
		return dst
	}
	dst = append(dst, `,"details":{`...)
	for i, d := range r.Details {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, d.Name), ':')
		dst = appendValue(dst, d.Value)
	}
	return append(dst, '}')
}

func appendMember(dst []byte, name, value string) []byte {
	dst = append(appendString(append(dst, ','), name), ':')
	return appendString(dst, value)
}

func appendValue(dst []byte, value any) []byte {
	switch v := value.(type) {
	case string:
		return appendString(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case []string:
		dst = append(dst, '[')
		for i, s := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, s)
		}
		return append(dst, ']')
	}
	return append(dst, "null"...)
}

// appendString writes '<' and '>' as escapes, because the text may quote a request
// target and some browser may take the response for HTML; and leaves '&' alone,
// because people compare the string to sign by eye.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s { // a byte that is not UTF-8 arrives as U+FFFD
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c < ' ' || c == 0x7f || c == '<' || c == '>':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		default:
			dst = utf8.AppendRune(dst, c)
		}
	}
	return append(dst, '"')
}

// PrefersProblem reports whether the Accept headers ask for [MediaProblem] more
// than for [MediaJSON].
func PrefersProblem(h http.Header) bool {
	problem, plain, wild := -1.0, -1.0, -1.0
	for _, line := range h["Accept"] {
		for item := range strings.SplitSeq(line, ",") {
			media, params, _ := strings.Cut(item, ";")
			q := quality(params)
			switch strings.ToLower(strings.TrimSpace(media)) {
			case MediaProblem:
				problem = q
			case MediaJSON:
				plain = q
			case "*/*", "application/*":
				wild = max(wild, q)
			}
		}
	}
	if plain >= 0 {
		return problem > plain
	}
	return problem > 0 && problem >= wild
}

// quality reads the q parameter, 1 when there is none that makes sense.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if q, err := strconv.ParseFloat(value, 64); err == nil && strings.EqualFold(name, "q") && q >= 0 && q <= 1 {
			return q
		}
	}
	return 1
}
