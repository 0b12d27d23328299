package gate

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// standardMisses are the mistakes that only RFC 9421 lets people make: in lines of
// the signature base that UNK1 does not have.
func standardMisses() []nearMiss {
	return []nearMiss{
		{hint{"query_question_mark", `The value of "@query" was signed without its leading question mark. Sign "?" and the query, and a lone "?" when there is none.`}, questionMark},
		{hint{"path_empty", `The value of "@path" was signed as nothing. Sign "/" when the URL has no path.`}, emptyPath},
		{hint{"target_uri_scheme", `The value of "@target-uri" was signed with another scheme (https or http) than the gateway saw. Cover "@authority", "@path" and "@query" in its place.`}, otherScheme},
		{hint{"params_order", "The parameters in the last line of the signature base are in another order than in Signature-Input. Write both from one text."}, paramsOrder},
		{hint{"params_serialisation", `The last line of the signature base is not "@signature-params": and what follows the label in Signature-Input, with one space between components and none after a semicolon.`}, paramsSerialisation},
		{hint{"params_left_out", `The signature base has no "@signature-params" line. It is the last line, and is signed.`}, paramsLeftOut},
		{hint{"base_newline_added", "The signature base was signed with a line break at its end. The last line has none."}, baseNewline},
	}
}

// lines are those of the signature base; the last one is that of the parameters.
func (t *attempt) lines() []string { return strings.Split(t.text, "\n") }

func (t *attempt) fitsLines(lines []string) bool { return t.fitsText(strings.Join(lines, "\n")) }

// fitsLine tries the base with another value for a component.
func (t *attempt) fitsLine(component string, change func(string) string) bool {
	lines, prefix := t.lines(), `"`+component+`": `
	for i, line := range lines {
		if value, found := strings.CutPrefix(line, prefix); found {
			lines[i] = prefix + change(value)
			return t.fitsLines(lines)
		}
	}
	return false
}

const paramsPrefix = `"@signature-params": `

// fitsParams tries the base with another last line.
func (t *attempt) fitsParams(value string) bool {
	lines := t.lines()
	lines[len(lines)-1] = paramsPrefix + value
	return t.fitsLines(lines)
}

func (t *attempt) params() string {
	lines := t.lines()
	return strings.TrimPrefix(lines[len(lines)-1], paramsPrefix)
}

func questionMark(t *attempt) bool {
	return t.fitsLine("@query", func(v string) string { return strings.TrimPrefix(v, "?") })
}

func emptyPath(t *attempt) bool {
	return t.fitsLine("@path", func(v string) string { return strings.TrimSuffix(v, "/") })
}

func otherScheme(t *attempt) bool {
	return t.fits(func(r *signature.Request) {
		if r.Scheme == "https" {
			r.Scheme = "http"
		} else {
			r.Scheme = "https"
		}
	})
}

// paramsOrder tries every order of up to five parameters: 120, about 0.2 ms.
func paramsOrder(t *attempt) bool {
	parts := splitParams(t.params())
	list, params := parts[0], parts[1:]
	return len(params) <= 5 && permuted(params, 0, func() bool { return t.fitsParams(list + strings.Join(params, "")) })
}

// splitParams cuts before each semicolon outside quotes: ("a" "b") ;k=v ;k=v.
func splitParams(text string) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ';' && !quoted:
			parts = append(parts, text[start:i])
			start = i
		}
	}
	return append(parts, text[start:])
}

// permuted calls try with s in every order until it returns true.
func permuted(s []string, from int, try func() bool) bool {
	if from == len(s) {
		return try()
	}
	for i := from; i < len(s); i++ {
		s[from], s[i] = s[i], s[from]
		if permuted(s, from+1, try) {
			return true
		}
		s[from], s[i] = s[i], s[from]
	}
	return false
}

func paramsSerialisation(t *attempt) bool {
	parts := splitParams(t.params())
	list, params := parts[0], strings.Join(parts[1:], "")
	spaced := list
	for _, p := range parts[1:] {
		spaced += "; " + p[1:]
	}
	return slices.ContainsFunc([]string{
		spaced,
		strings.ReplaceAll(list, `" "`, `""`) + params,
		strings.ReplaceAll(list, `" "`, `", "`) + params,
		strings.ReplaceAll(list, `" "`, `","`) + params,
		strings.ReplaceAll(list, `"`, "") + params,
		strings.Trim(list, "()") + params,
		list + strings.ReplaceAll(params, `"`, ""),
		list,
		t.rawInput,
		t.rawInput[strings.IndexByte(t.rawInput, '('):], // without the label
	}, t.fitsParams)
}

func paramsLeftOut(t *attempt) bool {
	lines := t.lines()
	lines = lines[:len(lines)-1]
	return t.fitsLines(lines) || t.fitsLines(append(lines, ""))
}

func baseNewline(t *attempt) bool { return t.fitsLines(append(t.lines(), "")) }

var (
	millisecondParam = regexp.MustCompile(`;\s*(created|expires)="?[0-9]{13}\b`)
	dateParam        = regexp.MustCompile(`;\s*(created|expires)="?[0-9]{4}-[0-9]{2}-`)
	unseparated      = regexp.MustCompile(`"[@a-z0-9-]+"(,\s*)?"[@a-z0-9-]+"`)
)

// inputHint names mistakes in Signature-Input.
func inputHint(value string) string {
	switch {
	case millisecondParam.MatchString(value):
		return "timestamp_milliseconds"
	case dateParam.MatchString(value):
		return "timestamp_date"
	case unseparated.MatchString(value):
		return "components_not_separated"
	}
	return ""
}

// bytesHint names mistakes in the byte sequence of a Signature or Content-Digest
// of one member.
func bytesHint(of, value string) string {
	_, text, _ := strings.Cut(value, "=")
	inner := strings.Trim(strings.TrimSpace(text), `:"`)
	_, notHex := hex.DecodeString(inner)
	_, notURL := base64.RawURLEncoding.DecodeString(strings.TrimRight(inner, "="))
	_, notBase64 := base64.StdEncoding.DecodeString(inner)
	switch {
	case inner == "":
	case notHex == nil && len(inner) >= 64:
		return of + "_hex"
	case strings.ContainsAny(inner, "-_") && notURL == nil:
		return of + "_base64url"
	case notBase64 == nil && !strings.HasPrefix(text, ":"):
		return of + "_colons"
	}
	return ""
}
