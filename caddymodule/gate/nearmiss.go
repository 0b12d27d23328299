package gate

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// nearMiss is a mistake that merchants make, and how to recognise it.
type nearMiss struct {
	hint
	made func(*attempt) bool
}

// nearMisses are tried in this order; the first that fits is told. Cheap and
// common ones come first. The ids are part of the wire contract.
func nearMisses() []nearMiss {
	return []nearMiss{
		{hint{"query_left_out", "The string that was signed has no query. Sign the request target as sent, from the path on, with the query."}, queryLeftOut},
		{hint{"query_sorted", "The query was sorted before it was signed. Sign it in the order in which it is sent."}, querySorted},
		{hint{"query_reencoded", "The query was decoded or encoded again before it was signed. Sign its bytes as sent."}, queryReencoded},
		{hint{"path_decoded", "The path was percent-decoded before it was signed. Sign its bytes as sent."}, pathDecoded},
		{hint{"body_newline_added", "The body was signed without the line break at its end that was sent. Sign exactly the bytes that are sent."}, newlineAdded},
		{hint{"body_newline_removed", "The body was signed with a line break at its end that was not sent. Sign exactly the bytes that are sent."}, newlineRemoved},
		{hint{"body_line_endings", "The body was signed with other line endings (LF or CRLF) than were sent. Sign exactly the bytes that are sent."}, lineEndings},
		{hint{"body_bom", "The body was signed with or without a UTF-8 byte order mark, other than it was sent. Sign exactly the bytes that are sent."}, byteOrderMark},
		{hint{"body_empty_hash", "The hash of an empty body was signed. Sign the hash of the body that is sent."}, emptyHash},
		{hint{"method_lower_case", "The method was signed in lower case. Sign it as sent, in upper case."}, methodLowerCase},
		{hint{"host_port", "The host was signed with or without its port. Sign it as sent in Host, without :443 for https and :80 for http."}, hostPort},
		{hint{"host_case", "The host was signed with upper-case letters. Sign it in lower case."}, hostCase},
		{hint{"timestamp_milliseconds", "The timestamp was signed in milliseconds. Sign the ten digits that are sent."}, milliseconds},
		{hint{"body_hash_encoding", "The hash of the body was signed in upper-case hex or in base64. Sign it in lower-case hex."}, hashEncoding},
		{hint{"secret_base64_decoded", "The secret was base64-decoded before use. Use its text as it was shown, as bytes."}, secretBase64},
		{hint{"secret_hex_decoded", "The secret was hex-decoded before use. Use its text as it was shown, as bytes."}, secretHex},
		{hint{"secret_other_environment", "The request was signed with the secret of the live key. Use the secret that belongs to the key id."}, secretLive},
		{hint{"body_json_compact", "The body was signed as compact JSON and sent in another form. Serialise it once, and sign and send those bytes."}, jsonCompact},
	}
}

// explain returns the first near miss, or the zero hint.
func (t *attempt) explain() hint {
	misses := nearMisses()
	if t.credentials.Scheme == signature.RFC9421 {
		misses = append(misses, standardMisses()...)
	}
	for _, m := range misses {
		if m.made(t) {
			return m.hint
		}
		runtime.Gosched() // all of them take 0.5 ms, for which requests that pass need not wait
	}
	return hint{}
}

func (t *attempt) pathQuery() (path, query string, found bool) {
	return strings.Cut(t.request.Target, "?")
}

func queryLeftOut(t *attempt) bool {
	path, _, _ := t.pathQuery()
	return t.fitsTarget(path)
}

func querySorted(t *attempt) bool {
	path, query, found := t.pathQuery()
	pairs := strings.Split(query, "&")
	slices.Sort(pairs)
	return found && t.fitsTarget(path+"?"+strings.Join(pairs, "&"))
}

// queryReencoded tries what libraries make of a query: decoded as a whole, or each
// part decoded and encoded with '+' or %20 for a space, in order or sorted.
func queryReencoded(t *attempt) bool {
	path, query, found := t.pathQuery()
	if !found {
		return false
	}
	if plain, err := url.PathUnescape(query); err == nil && t.fitsTarget(path+"?"+plain) {
		return true
	}
	if plain, err := url.QueryUnescape(query); err == nil && t.fitsTarget(path+"?"+plain) {
		return true
	}
	for _, encoded := range [][]string{reencode(query, url.QueryEscape), reencode(query, url.PathEscape), reencode(query, percentEncode)} {
		if t.fitsTarget(path + "?" + strings.Join(encoded, "&")) {
			return true
		}
		slices.Sort(encoded)
		if t.fitsTarget(path + "?" + strings.Join(encoded, "&")) {
			return true
		}
	}
	return false
}

// percentEncode is RFC 3986: everything but the unreserved characters.
func percentEncode(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func reencode(query string, escape func(string) string) []string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, equals := strings.Cut(pair, "=")
		pair = escape(unescape(name))
		if equals {
			pair += "=" + escape(unescape(value))
		}
		pairs[i] = pair
	}
	return pairs
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func pathDecoded(t *attempt) bool {
	path, query, found := t.pathQuery()
	plain, err := url.PathUnescape(path)
	if err != nil {
		return false
	}
	// RFC 9421 has the path on a line of its own, and a target holds no "é".
	if t.fitsLine("@path", func(string) string { return plain }) {
		return true
	}
	whole := plain
	if found {
		plain += "?" + query
		whole += "?" + unescape(query)
	}
	return t.fitsTarget(plain) || t.fitsTarget(whole)
}

func newlineAdded(t *attempt) bool {
	cut, found := bytes.CutSuffix(t.raw, []byte("\n"))
	if !found {
		return false
	}
	shorter, crlf := bytes.CutSuffix(cut, []byte("\r"))
	return t.fitsBody(cut) || crlf && t.fitsBody(shorter)
}

func newlineRemoved(t *attempt) bool {
	if t.raw == nil {
		return false
	}
	body := slices.Clip(t.raw)
	return t.fitsBody(append(body, '\n')) || t.fitsBody(append(body, "\r\n"...))
}

func lineEndings(t *attempt) bool {
	if !bytes.Contains(t.raw, []byte("\n")) {
		return false
	}
	lf := bytes.ReplaceAll(t.raw, []byte("\r\n"), []byte("\n"))
	return t.fitsBody(lf) || t.fitsBody(bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n")))
}

func byteOrderMark(t *attempt) bool {
	if t.raw == nil {
		return false
	}
	const bom = "\xef\xbb\xbf"
	if without, found := bytes.CutPrefix(t.raw, []byte(bom)); found {
		return t.fitsBody(without)
	}
	return t.fitsBody(append([]byte(bom), t.raw...))
}

func emptyHash(t *attempt) bool { return t.request.Body.Length > 0 && t.fitsBody(nil) }

func methodLowerCase(t *attempt) bool {
	return t.fits(func(r *signature.Request) { r.Method = strings.ToLower(r.Method) })
}

func hostPort(t *attempt) bool {
	host := t.request.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		return t.fitsHost(name) || strings.Contains(name, ":") && t.fitsHost("["+name+"]")
	}
	return t.fitsHost(host+":443") || t.fitsHost(host+":80")
}

func hostCase(t *attempt) bool { return t.fitsHost(t.rawHost) }

// milliseconds tries all thousand, since Date.now() has whichever it has: 0.3 ms.
func milliseconds(t *attempt) bool {
	if t.credentials.Scheme != signature.UNK1 {
		return false
	}
	c, seconds := t.credentials, t.credentials.Timestamp
	for ms := range 1000 {
		c.Timestamp = fmt.Sprintf("%s%03d", seconds, ms)
		if c.Verify(&t.mac, &t.request) == nil {
			return true
		}
	}
	return false
}

// hashEncoding rewrites the last line of the string to sign, which is the hash.
func hashEncoding(t *attempt) bool {
	if t.credentials.Scheme != signature.UNK1 {
		return false
	}
	sum := t.request.Body.SHA256[:]
	head := t.text[:len(t.text)-hex.EncodedLen(len(sum))]
	return slices.ContainsFunc([]string{
		strings.ToUpper(hex.EncodeToString(sum)), base64.StdEncoding.EncodeToString(sum), base64.RawURLEncoding.EncodeToString(sum),
	}, func(line string) bool { return t.fitsText(head + line) })
}

// secretForms are the texts that people decode: the secret, and what follows its
// prefix.
func (t *attempt) secretForms() []string {
	secret := t.credential.TestSecret()
	if secret.IsZero() {
		return nil
	}
	text := secret.Reveal()
	return []string{text, text[len("unks_test_"):]}
}

// secretBase64 decodes as lenient libraries do: with '_' for '/' (Node.js), or
// passing over what is not in the alphabet (PHP, Python), and without padding.
func secretBase64(t *attempt) bool {
	for _, text := range t.secretForms() {
		for _, form := range []string{strings.ReplaceAll(text, "_", "/"), strings.ReplaceAll(text, "_", "")} {
			if t.fitsSecret(decodeBase64(form)) {
				return true
			}
		}
	}
	return false
}

// decodeBase64 drops a last character that is only a part of a byte.
func decodeBase64(text string) []byte {
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	out, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return out
}

// secretHex decodes as lenient libraries do, up to the first pair that is no hex:
// often no byte at all.
func secretHex(t *attempt) bool {
	for _, text := range t.secretForms() {
		out := make([]byte, hex.DecodedLen(len(text)))
		n, _ := hex.Decode(out, []byte(text[:len(text)&^1])) // n counts what came before the error
		if t.fitsSecret(out[:n]) {
			return true
		}
	}
	return false
}

func secretLive(t *attempt) bool {
	live, ok := t.credential.LiveSibling()
	if !ok {
		return false
	}
	mac := live.MAC()
	return t.fitsKey(&mac)
}

func jsonCompact(t *attempt) bool {
	var out bytes.Buffer
	return len(t.raw) > 0 && json.Compact(&out, t.raw) == nil && t.fitsBody(out.Bytes())
}

// maxHintHeader is the longest header that is looked at for a hint, in bytes: who
// sent it is not known, and the longest that makes sense has about 400.
const maxHintHeader = 1 << 10

// syntaxHint names a well-known mistake in a header that refuses a request before
// its signature is looked at; empty for none. It looks at the syntax only, so the
// answer is the same for every key.
func syntaxHint(header, value string) string {
	if len(value) > maxHintHeader {
		return ""
	}
	switch header {
	case signature.HeaderTimestamp:
		return timestampHint(value)
	case signature.HeaderSignature:
		return macHint(value)
	case "Signature-Input":
		return inputHint(value)
	case "Signature":
		return bytesHint("signature", value)
	case "Content-Digest":
		return bytesHint("digest", value)
	}
	return ""
}

func timestampHint(value string) string {
	switch {
	case len(value) == len("1767225600000") && strings.Trim(value, "0123456789") == "":
		return "timestamp_milliseconds"
	case strings.Count(value, "-") == 2 || strings.HasSuffix(value, "GMT"):
		return "timestamp_date"
	}
	return ""
}

func macHint(value string) string {
	text, prefixed := strings.CutPrefix(value, "v1=")
	raw, err := hex.DecodeString(text)
	isHex := err == nil && len(raw) == sha256.Size
	switch {
	case isHex && text != strings.ToLower(text):
		return "signature_upper_case"
	case isHex && !prefixed:
		return "signature_prefix_missing"
	case len(decodeBase64(strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "="))) == sha256.Size:
		return "signature_base64"
	}
	return ""
}
