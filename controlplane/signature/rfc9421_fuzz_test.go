package signature_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/dunglas/httpsfv"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// FuzzParseRFC9421 compares Parse with the same profile on top of a general
// parser of structured fields. What Parse accepts, the judge accepts, and
// writes the same last line of the signature base. What the judge accepts in
// canonical form, Parse accepts.
func FuzzParseRFC9421(f *testing.F) {
	for _, c := range negatives {
		s := validStandard()
		if c.before != nil {
			c.before(s)
		}
		s.sign()
		if c.after != nil {
			c.after(s)
		}
		f.Add(s.header.Get("Signature-Input"), s.header.Get("Signature"), s.header.Get("Content-Digest"))
	}
	good := `sig=:` + strings.Repeat("A", 43) + `=:`
	f.Add("  sig=( \"a\"   \"b\" );  created=1767225600; nonce=\"0123456789abcdef\";keyid=\""+testKeyID+"\"\t", good, "")
	f.Add(`sig=("a";x "b");created=01767225600`, `sig=:AAAA:`, `sha-256=?1`)
	f.Fuzz(func(t *testing.T, input, sig, digest string) {
		h := http.Header{"Signature-Input": {input}, "Signature": {sig}}
		if digest != "" {
			h["Content-Digest"] = []string{digest}
		}
		creds, err := signature.Parse(h)
		params, accepted := judge(input, sig, digest)
		if err != nil {
			if accepted && canonical(input) && canonical(sig) && (digest == "" || canonical(digest)) {
				t.Fatalf("%q %q %q: refused: %v", input, sig, digest, err)
			}
			return
		}
		if !accepted {
			t.Fatalf("%q %q %q: accepted", input, sig, digest)
		}
		base, err := creds.AppendStringToSign(nil, &signature.Request{Method: "GET", Scheme: "https", Host: "h", Target: "/"})
		if err == nil && !strings.HasSuffix(string(base), `"@signature-params": `+params) {
			t.Fatalf("%q: base %q, want params %q", input, base, params)
		}
	})
}

func canonical(field string) bool {
	d, err := httpsfv.UnmarshalDictionary([]string{field})
	if err != nil {
		return false
	}
	text, err := httpsfv.Marshal(d)
	return err == nil && text == field
}

// judge returns the canonical inner list of the one signature.
func judge(input, sig, digest string) (params string, ok bool) {
	label, member, ok := onlyMember(input)
	if !ok || len(input) > 4096 {
		return "", false
	}
	list, ok := member.(httpsfv.InnerList)
	if !ok || !goodComponents(list.Items) || !goodParams(list.Params) {
		return "", false
	}
	sigLabel, member, ok := onlyMember(sig)
	item, isItem := member.(httpsfv.Item)
	if !ok || !isItem || sigLabel != label || !bytesOf(item, 32) || !goodDigest(digest) {
		return "", false
	}
	params, err := httpsfv.Marshal(httpsfv.List{list})
	return params, err == nil
}

func onlyMember(field string) (name string, m httpsfv.Member, ok bool) {
	d, err := httpsfv.UnmarshalDictionary([]string{field})
	if err != nil || len(d.Names()) != 1 {
		return "", nil, false
	}
	name = d.Names()[0]
	m, ok = d.Get(name)
	return name, m, ok
}

var componentName = regexp.MustCompile("\\A(@(method|authority|path|query|target-uri|scheme|request-target)|[a-z0-9!#$%&'*+.^_`|~-]+)\\z")

func goodComponents(items []httpsfv.Item) bool {
	seen := map[string]bool{"host": true}
	for _, item := range items {
		name, ok := item.Value.(string)
		if !ok || len(item.Params.Names()) > 0 || seen[name] || !componentName.MatchString(name) {
			return false
		}
		seen[name] = true
	}
	return len(items) <= 16
}

var (
	nonceSyntax = regexp.MustCompile(`\A[A-Za-z0-9_+/=-]{16,64}\z`)
	keyIDSyntax = regexp.MustCompile(`\Aunk_(live|test)_[0-9A-Za-z]{22}\z`)
)

func goodParams(p *httpsfv.Params) bool {
	required := 0
	for _, name := range p.Names() {
		value, _ := p.Get(name)
		text, isText := value.(string)
		number, isInteger := value.(int64)
		tenDigits := isInteger && number >= 1_000_000_000 && number <= 9_999_999_999
		ok := false
		switch name {
		case "created":
			ok = tenDigits
			required++
		case "keyid":
			ok = isText && keyIDSyntax.MatchString(text)
			required++
		case "nonce":
			ok = isText && nonceSyntax.MatchString(text)
			required++
		case "expires":
			ok = tenDigits
		case "alg":
			ok = isText && text == "hmac-sha256"
		case "tag":
			ok = isText
		}
		if !ok {
			return false
		}
	}
	return required == 3
}

func bytesOf(item httpsfv.Item, size int) bool {
	b, ok := item.Value.([]byte)
	return ok && len(item.Params.Names()) == 0 && (size == 0 || len(b) == size)
}

func goodDigest(digest string) bool {
	if digest == "" {
		return true
	}
	d, err := httpsfv.UnmarshalDictionary([]string{digest})
	if err != nil {
		return false
	}
	for _, name := range d.Names() {
		member, _ := d.Get(name)
		item, ok := member.(httpsfv.Item)
		size := map[string]int{"sha-256": 32, "sha-512": 64}[name]
		if !ok || !bytesOf(item, size) {
			return false
		}
	}
	return len(d.Names()) > 0
}
