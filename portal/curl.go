package portal

import (
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// curlEffect is what an option of curl does to the request.
type curlEffect int

const (
	curlNothing   curlEffect = iota // a switch that changes nothing that is signed
	curlSkipValue                   // likewise, with a value
	curlMethod
	curlHeader
	curlAgent
	curlReferer
	curlCookie
	curlData
	curlRaw
	curlJSON
	curlURL
	curlGet
	curlHead
	curlAsIs
	curlNoGlob
	curlFile    // reads a file that is not here
	curlForm    // draws a boundary by chance
	curlEncoded // encodes by rules of its own
)

// takesValue: the next word belongs to the option.
func (e curlEffect) takesValue() bool {
	switch e {
	case curlNothing, curlGet, curlHead, curlAsIs, curlNoGlob:
		return false
	}
	return true
}

// curlOptions are those that people paste, by their long names.
func curlOptions() map[string]curlEffect {
	all := map[string]curlEffect{
		"request": curlMethod, "header": curlHeader, "user-agent": curlAgent, "referer": curlReferer, "cookie": curlCookie,
		"data": curlData, "data-ascii": curlData, "data-binary": curlData, "data-raw": curlRaw, "json": curlJSON, "url": curlURL,
		"get": curlGet, "head": curlHead, "path-as-is": curlAsIs, "globoff": curlNoGlob,
		"upload-file": curlFile, "config": curlFile, "form": curlForm, "form-string": curlForm, "data-urlencode": curlEncoded, "url-query": curlEncoded,
	}
	for _, name := range strings.Fields(`silent show-error verbose include insecure location fail fail-with-body compressed http1.0 http1.1 http2
		http2-prior-knowledge http3 no-buffer ipv4 ipv6 progress-bar no-keepalive tlsv1.2 tlsv1.3 raw remote-name no-progress-meter disable`) {
		all[name] = curlNothing
	}
	for _, name := range strings.Fields(`output max-time connect-timeout retry retry-delay resolve connect-to cacert capath cert key pass user proxy
		write-out trace trace-ascii dump-header cookie-jar interface max-redirs limit-rate noproxy proxy-header stderr unix-socket`) {
		all[name] = curlSkipValue
	}
	return all
}

// curlShort are the letters of the options above.
func curlShort() map[byte]string {
	return map[byte]string{
		'X': "request", 'H': "header", 'A': "user-agent", 'e': "referer", 'b': "cookie", 'd': "data", 'G': "get", 'I': "head", 'g': "globoff",
		'T': "upload-file", 'K': "config", 'F': "form", 's': "silent", 'S': "show-error", 'v': "verbose", 'i': "include", 'k': "insecure",
		'L': "location", 'f': "fail", '0': "http1.0", 'N': "no-buffer", '4': "ipv4", '6': "ipv6", '#': "progress-bar", 'O': "remote-name", 'q': "disable",
		'o': "output", 'm': "max-time", 'E': "cert", 'u': "user", 'x': "proxy", 'w': "write-out", 'D': "dump-header", 'c': "cookie-jar", 'U': "proxy",
	}
}

// curlLine is a command line as it is read.
type curlLine struct {
	pasted
	at                        int
	words                     []string
	data                      []string
	asGet, asHead, asIs, raw  bool
	hasData, hasJSON, hasType bool
}

// parseCurl reads a curl command, and what curl itself adds that may be signed.
func parseCurl(text string) (pasted, error) {
	words, err := shellWords(text)
	if err != nil {
		return pasted{}, err
	}
	if len(words) == 0 || words[0] != "curl" && !strings.HasSuffix(words[0], "/curl") && words[0] != "curl.exe" {
		return pasted{}, &pasteProblem{"not_curl", 1}
	}
	c := &curlLine{words: words, at: 1}
	for c.at < len(c.words) {
		if err := c.word(); err != nil {
			return pasted{}, err
		}
	}
	return c.finish()
}

func (c *curlLine) problem(key string) error { return &pasteProblem{key, c.at} }

// word reads an option with its value, or the URL.
func (c *curlLine) word() error {
	word := c.words[c.at]
	c.at++
	name, long := strings.CutPrefix(word, "--")
	switch {
	case long && name != "":
		return c.option(name, nil)
	case len(word) > 1 && word[0] == '-':
		return c.letters(word[1:])
	}
	return c.address(word)
}

// letters reads -sSXPOST: switches, and at the end one with the value behind it.
func (c *curlLine) letters(letters string) error {
	for i := range len(letters) {
		name, known := curlShort()[letters[i]]
		if !known {
			return c.problem("unknown_option")
		}
		if !curlOptions()[name].takesValue() {
			if err := c.option(name, nil); err != nil {
				return err
			}
			continue
		}
		if rest := letters[i+1:]; rest != "" {
			return c.option(name, &rest)
		}
		return c.option(name, nil)
	}
	return nil
}

// option does what an option does, with the value behind it or the next word.
func (c *curlLine) option(name string, value *string) error {
	effect, known := curlOptions()[name]
	if !known {
		return c.problem("unknown_option")
	}
	var v string
	if effect.takesValue() {
		if value == nil {
			if c.at == len(c.words) {
				return c.problem("missing_value")
			}
			value = &c.words[c.at]
			c.at++
		}
		v = *value
	}
	return c.apply(effect, v)
}

func (c *curlLine) apply(effect curlEffect, v string) error {
	switch effect {
	case curlMethod:
		c.Method = v
	case curlHeader:
		return c.header(v)
	case curlAgent:
		c.Headers = append(c.Headers, controlplane.Header{Name: "User-Agent", Value: v})
	case curlReferer:
		c.Headers = append(c.Headers, controlplane.Header{Name: "Referer", Value: v})
	case curlCookie:
		if !strings.Contains(v, "=") {
			return c.problem("file")
		}
		c.Headers = append(c.Headers, controlplane.Header{Name: "Cookie", Value: v})
	case curlData, curlRaw, curlJSON:
		return c.content(effect, v)
	case curlURL:
		return c.address(v)
	case curlGet:
		c.asGet = true
	case curlHead:
		c.asHead = true
	case curlAsIs:
		c.asIs = true
	case curlNoGlob:
		c.raw = true
	case curlFile, curlForm, curlEncoded:
		return c.problem(map[curlEffect]string{curlFile: "file", curlForm: "form", curlEncoded: "encoded"}[effect])
	}
	return nil
}

// header reads "Name: value", "Name;" for an empty one, and "Name:", which keeps
// curl from sending one of its own.
func (c *curlLine) header(text string) error {
	if strings.HasPrefix(text, "@") {
		return c.problem("file")
	}
	name, value, found := strings.Cut(text, ":")
	if !found {
		if name, found = strings.CutSuffix(text, ";"); !found {
			return c.problem("header")
		}
	} else if value = strings.TrimSpace(value); value == "" {
		return nil
	}
	c.Headers = append(c.Headers, controlplane.Header{Name: strings.TrimSpace(name), Value: value})
	c.hasType = c.hasType || strings.EqualFold(strings.TrimSpace(name), "Content-Type")
	return nil
}

// content adds to the body: with an ampersand between, but for JSON.
func (c *curlLine) content(effect curlEffect, v string) error {
	if strings.HasPrefix(v, "@") && effect != curlRaw {
		return c.problem("file")
	}
	if effect == curlJSON {
		c.hasJSON = true
	}
	if c.hasData && effect != curlJSON {
		v = "&" + v
	}
	c.data, c.hasData = append(c.data, v), true
	return nil
}

func (c *curlLine) address(text string) error {
	if c.URL != "" {
		return c.problem("urls")
	}
	if c.URL = text; !strings.Contains(text, "://") {
		c.URL = "http://" + text // what curl takes it for
	}
	return nil
}

// finish adds what follows from the options together.
func (c *curlLine) finish() (pasted, error) {
	if c.URL == "" {
		return pasted{}, &pasteProblem{"urls", c.at}
	}
	body := strings.Join(c.data, "")
	if c.asGet && c.hasData {
		c.URL = withQuery(c.URL, body)
	} else if c.hasData {
		c.Body = []byte(body)
		c.bodyHeaders()
	}
	if c.Method == "" {
		c.Method = c.method()
	}
	_, _, target, err := splitURL(c.URL)
	if err == nil && (!c.raw && strings.ContainsAny(target, "[]{}") || !c.asIs && hasDots(target)) {
		err = &pasteProblem{key: "rewritten"}
	}
	return c.pasted, err
}

func (c *curlLine) method() string {
	switch {
	case c.asHead:
		return "HEAD"
	case c.hasData && !c.asGet:
		return "POST"
	}
	return "GET"
}

func (c *curlLine) bodyHeaders() {
	if c.hasType {
		return
	}
	media := "application/x-www-form-urlencoded"
	if c.hasJSON {
		media = "application/json"
	}
	c.Headers = append(c.Headers, controlplane.Header{Name: "Content-Type", Value: media})
}

// withQuery is what -G makes of the data.
func withQuery(url, data string) string {
	url, _, _ = strings.Cut(url, "#")
	if strings.Contains(url, "?") {
		return url + "&" + data
	}
	return url + "?" + data
}

// hasDots: curl takes the segments "." and ".." out of a path.
func hasDots(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
