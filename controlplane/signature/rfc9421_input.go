package signature

import (
	"crypto/sha256"
	"net/http"
	"strings"
)

const (
	headerSignature      = "Signature"
	headerSignatureInput = "Signature-Input"
)

// The bounds of a signature's description. A request has no use for more, and
// the text to hash must not be the client's to blow up.
const (
	maxComponents = 16
	maxInputBytes = 4 << 10
	maxParams     = 6 // created, expires, nonce, alg, keyid, tag: each once
)

// input is one member of Signature-Input: what was signed, in which order.
type input struct {
	label      string
	names      [maxComponents]string // of components, without quotes
	nameCount  int
	params     [maxParams]param
	paramCount int
	digests    digests
	header     http.Header // the one that all of this was read from
}

// param is a signature parameter with its value as sent, quotes and all.
type param struct{ key, value string }

// parseInput reads the one member of Signature-Input, RFC 9421 §4.1.
func parseInput(text string) (*input, error) {
	if len(text) > maxInputBytes {
		return nil, inputError(ReasonSyntax, "Signature-Input must not exceed 4096 bytes.")
	}
	s, in, ok := scanner{text}, new(input), false
	s.spaces()
	if in.label, ok = s.key(); !ok || !s.take('=') || !s.take('(') {
		return nil, inputSyntax()
	}
	if err := in.scanComponents(&s); err != nil {
		return nil, err
	}
	for s.take(';') {
		if err := in.scanParam(&s); err != nil {
			return nil, err
		}
	}
	if !s.ended() {
		return nil, afterMember(headerSignatureInput, &s)
	}
	return in, nil
}

func (in *input) scanComponents(s *scanner) error {
	for s.spaces(); !s.take(')'); s.spaces() {
		quoted, ok := s.quoted()
		if !ok || s.rest == "" {
			return inputSyntax()
		}
		switch s.rest[0] {
		case ' ', ')':
		case ';':
			return inputError(ReasonSyntax, "Components must not have parameters (bs, sf, key, tr, req, name).")
		default:
			return inputSyntax()
		}
		if err := in.addComponent(quoted[1 : len(quoted)-1]); err != nil {
			return err
		}
	}
	return nil
}

func (in *input) addComponent(name string) error {
	switch {
	case in.nameCount == maxComponents:
		return inputError(ReasonSyntax, "Cover at most 16 components.")
	case in.covers(name):
		return inputError(ReasonRepeated, "Cover each component only once.")
	case name == "host":
		return inputError(ReasonSyntax, `Cover "@authority" in place of "host".`)
	case !isDerived(name) && !isFieldName(name):
		return inputError(ReasonSyntax, "Components must be header names in lower case or "+
			"one of @method, @authority, @path, @query, @target-uri, @scheme, @request-target.")
	}
	in.names[in.nameCount] = name
	in.nameCount++
	return nil
}

func (in *input) covers(name string) bool {
	for _, n := range in.names[:in.nameCount] {
		if n == name {
			return true
		}
	}
	return false
}

// isDerived leaves out @status, which no request has, and @query-param, whose
// decoding and encoding again is what this package never does.
func isDerived(name string) bool {
	switch name {
	case "@method", "@authority", "@path", "@query", "@target-uri", "@scheme", "@request-target":
		return true
	}
	return false
}

// isFieldName accepts a token (RFC 9110 §5.6.2) in lower case.
func isFieldName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z') && !('0' <= c && c <= '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// scanParam reads a parameter after its semicolon. One that is unknown could
// change the meaning of the signature, so it is refused.
func (in *input) scanParam(s *scanner) error {
	s.spaces()
	key, ok := s.key()
	if !ok || !s.take('=') {
		return inputSyntax()
	}
	value := ""
	switch key {
	case "created", "expires":
		value = s.until(";, \t")
	case "nonce", "keyid", "alg", "tag":
		if value, ok = s.quoted(); !ok {
			return inputError(ReasonSyntax, "The parameters nonce, keyid, alg and tag must be in double quotes.")
		}
	default:
		return inputError(ReasonSyntax, "The parameters may be created, expires, nonce, alg, keyid and tag.")
	}
	if _, twice := in.param(key); twice {
		return inputError(ReasonRepeated, "Send each parameter only once.")
	}
	in.params[in.paramCount] = param{key, value}
	in.paramCount++
	return nil
}

func (in *input) param(key string) (value string, ok bool) {
	for _, p := range in.params[:in.paramCount] {
		if p.key == key {
			return p.value, true
		}
	}
	return "", false
}

// text returns a string parameter without its quotes. Escapes stay: none of
// the texts it is compared with has a character that needs one.
func (in *input) text(key string) (value string, ok bool) {
	if value, ok = in.param(key); !ok {
		return "", false
	}
	return value[1 : len(value)-1], true
}

// parseSignature reads the one member of Signature, which must carry label.
func parseSignature(text, label string) (mac [sha256.Size]byte, err error) {
	s := scanner{text}
	s.spaces()
	got, isKey := s.key()
	hasValue := isKey && s.take('=')
	encoded, isBytes := s.bytes()
	if !hasValue || !isBytes {
		return mac, signatureSyntax()
	}
	if !s.ended() {
		return mac, afterMember(headerSignature, &s)
	}
	if got != label {
		return mac, malformed(headerSignature, ReasonSyntax, "Signature and Signature-Input must use the same label.")
	}
	if !decodeBase64(mac[:], encoded) {
		return mac, signatureSyntax()
	}
	return mac, nil
}

func afterMember(header string, s *scanner) *Error {
	if s.take(',') {
		return malformed(header, ReasonRepeated, header+" must hold exactly one signature.")
	}
	if header == headerSignature {
		return signatureSyntax()
	}
	return inputSyntax()
}

func signatureSyntax() *Error {
	return malformed(headerSignature, ReasonSyntax,
		"Signature must be label=:<base64>: with the 32 bytes of HMAC-SHA256 in padded standard base64.")
}

func inputSyntax() *Error {
	return inputError(ReasonSyntax, `Signature-Input must be like sig=("@method" "@authority" "@path" "@query" "content-digest")`+
		`;created=1767225600;keyid="unk_live_...";nonce="..." (RFC 9421).`)
}

func inputError(reason Reason, message string) *Error {
	return malformed(headerSignatureInput, reason, message)
}
