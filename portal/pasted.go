package portal

import (
	"encoding/base64"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// pasted is a request as somebody shows it.
type pasted struct {
	Method  string
	URL     string
	Headers []controlplane.Header
	Body    []byte
}

// secretPrefix begins every secret of ours. Whoever pastes one is told so, before
// anything is done with it.
const secretPrefix = "unks_"

// readPasted takes the curl command, or else the single fields.
func (x *exchange) readPasted() (pasted, error) {
	values := x.r.PostForm
	for _, v := range values {
		if strings.Contains(v[0], secretPrefix) {
			return pasted{}, &pasteProblem{key: "secret"}
		}
	}
	command, url := lineFeeds(values.Get("curl")), x.value("url")
	switch {
	case strings.TrimSpace(command) == "" && url == "":
		return pasted{}, &pasteProblem{key: "nothing"}
	case strings.TrimSpace(command) == "":
		return pastedFields(x.value("method"), url, lineFeeds(values.Get("headers")), values.Get("body"), values.Get("body_form"))
	case url != "" || values.Get("headers") != "" || values.Get("body") != "":
		return pasted{}, &pasteProblem{key: "both"}
	}
	return parseCurl(command)
}

// lineFeeds undoes what a browser does to the line breaks of a text field.
func lineFeeds(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

func pastedFields(method, url, headers, body, form string) (p pasted, err error) {
	p.Method, p.URL = method, url
	if p.Method == "" {
		return p, &pasteProblem{key: "method"}
	}
	if p.Headers, err = pastedHeaders(headers); err != nil {
		return p, err
	}
	p.Body, err = pastedBody(body, form)
	return p, err
}

// pastedHeaders reads one header a line. A request line in front is passed over:
// that is how tools print requests.
func pastedHeaders(text string) (headers []controlplane.Header, err error) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimLeft(strings.TrimSpace(line), "> ") // as curl -v prints them
		name, value, found := strings.Cut(line, ":")
		switch {
		case line == "" || i == 0 && strings.Contains(line, " HTTP/"):
		case !found || name == "" || strings.ContainsAny(name, " \t"):
			return nil, &pasteProblem{"header", i + 1}
		default:
			headers = append(headers, controlplane.Header{Name: name, Value: strings.TrimSpace(value)})
		}
	}
	return headers, nil
}

// pastedBody gives the body the line breaks that were sent: a text field has lost
// them.
func pastedBody(text, form string) ([]byte, error) {
	switch form {
	case "crlf":
		return []byte(strings.ReplaceAll(lineFeeds(text), "\n", "\r\n")), nil
	case "base64":
		raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, &pasteProblem{key: "base64"}
		}
		return raw, nil
	}
	return []byte(lineFeeds(text)), nil
}

// splitURL cuts a URL without decoding, joining or tidying anything: what was sent
// is what was signed. A fragment is not sent.
func splitURL(text string) (scheme, host, target string, err error) {
	bad := &pasteProblem{key: "url"}
	scheme, rest, found := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	if !found || scheme != "http" && scheme != "https" || strings.ContainsFunc(rest, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return "", "", "", bad
	}
	rest, _, _ = strings.Cut(rest, "#")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, target = rest[:end], rest[end:]
	if host == "" || strings.Contains(host, "@") {
		return "", "", "", bad
	}
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	return scheme, host, target, nil
}

// check is what the control plane is asked. A Host header is what the request was
// sent to, whatever the URL says.
func (p pasted) check(merchantID string, env controlplane.Environment) (controlplane.CheckSignature, error) {
	in := controlplane.CheckSignature{MerchantID: merchantID, Environment: env, Method: p.Method, Body: p.Body}
	var err error
	if in.Scheme, in.Host, in.Target, err = splitURL(p.URL); err != nil {
		return in, err
	}
	for _, h := range p.Headers {
		if strings.EqualFold(h.Name, "Host") {
			in.Host = h.Value
			continue
		}
		in.Headers = append(in.Headers, h)
	}
	return in, nil
}
