package signature

import (
	"net/http"
	"strings"
)

// appendBase appends the signature base, RFC 9421 §2.5, over the request as it
// was received. Nothing is decoded; the parameters are written in their only
// canonical form, whatever spaces the client put between them.
func (in *input) appendBase(dst []byte, r *Request) ([]byte, error) {
	for _, name := range in.names[:in.nameCount] {
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"', ':', ' ')
		start := len(dst)
		sent := true
		if name[0] == '@' {
			dst = appendDerived(dst, name, r)
		} else {
			dst, sent = appendField(dst, fieldLines(in.header, name))
		}
		if !sent {
			return dst, notSent(name)
		}
		if !isText(dst[start:]) {
			return dst, inputError(ReasonSyntax, "Cover only headers without control characters and in ASCII.")
		}
		dst = append(dst, '\n')
	}
	dst = append(dst, `"@signature-params": `...)
	return in.appendParams(dst), nil
}

// appendParams appends the inner list and its parameters, RFC 9421 §2.3.
func (in *input) appendParams(dst []byte) []byte {
	dst = append(dst, '(')
	for i, name := range in.names[:in.nameCount] {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"')
	}
	dst = append(dst, ')')
	for _, p := range in.params[:in.paramCount] {
		dst = append(dst, ';')
		dst = append(dst, p.key...)
		dst = append(dst, '=')
		dst = append(dst, p.value...)
	}
	return dst
}

// appendDerived appends a derived component, RFC 9421 §2.2. Target is the raw
// origin form, so path and query are those of the request line.
func appendDerived(dst []byte, name string, r *Request) []byte {
	path, query, _ := strings.Cut(r.Target, "?")
	switch name {
	case "@method":
		return append(dst, r.Method...)
	case "@authority":
		return append(dst, r.Host...)
	case "@scheme":
		return append(dst, r.Scheme...)
	case "@path":
		return append(dst, path...)
	case "@query": // a lone "?" when there is none, §2.2.7
		dst = append(dst, '?')
		return append(dst, query...)
	case "@target-uri":
		dst = append(dst, r.Scheme...)
		dst = append(dst, "://"...)
		dst = append(dst, r.Host...)
	}
	return append(dst, r.Target...) // @target-uri and @request-target
}

// appendField appends the lines of a header, trimmed and joined, §2.1.
func appendField(dst []byte, lines []string) (_ []byte, sent bool) {
	for i, line := range lines {
		if i > 0 {
			dst = append(dst, ',', ' ')
		}
		dst = append(dst, strings.Trim(line, " \t")...)
	}
	return dst, len(lines) > 0
}

// fieldLines looks name up in its canonical form, without an allocation for a
// name of usual length.
func fieldLines(h http.Header, name string) []string {
	var buf [64]byte
	if len(name) > len(buf) {
		return h[http.CanonicalHeaderKey(name)]
	}
	upper := true
	for i := range len(name) {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		buf[i] = c
		upper = c == '-'
	}
	return h[string(buf[:len(name)])]
}

// isText reports whether b could stand on one line of the base: with an LF in
// it, one component could pass for two.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c > '~' {
			return false
		}
	}
	return true
}

func notSent(name string) *Error {
	if len(name) > 64 {
		name = "a header"
	}
	return inputError(ReasonMissing, "Signature-Input covers "+name+", which was not sent.")
}
