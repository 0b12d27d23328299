package delivery

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// maxURLBytes bounds an endpoint's URL.
const maxURLBytes = 2048

var (
	// ASCII only: a name in other letters is to be written as its server's
	// certificate has it, which leaves nothing to two readings.
	hostName = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	// C libraries and browsers read a host whose last part is a number as an
	// address: 0177.1, 2130706433, 0x7f.1.
	endsInNumber = regexp.MustCompile(`(?i)(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$`)
	printedASCII = regexp.MustCompile(`^[!-~]*$`)
)

// privateSuffixes end names that no public name server answers for; they resolve,
// if at all, to something within the operator's network.
var privateSuffixes = []string{".localhost", ".local", ".internal", ".home.arpa", ".onion"}

// CheckURL is nil for a URL that events may be sent to: https, a port that the
// operator allows, no user name, password or fragment, at most 2,048 bytes, and as
// host a public name in ASCII or an address that [Guard.CheckAddress] lets pass.
// The error is that of the field "url".
//
// It looks nothing up, because the answer would be another one at the time of
// sending; there, the address is checked when it is dialled.
func (g *Guard) CheckURL(raw string) error {
	_, err := g.destination(raw)
	return err
}

// destination parses a URL that passes [Guard.CheckURL].
func (g *Guard) destination(raw string) (*url.URL, error) {
	if len(raw) > maxURLBytes {
		return nil, badURL("url_long", "must be at most %d bytes long", maxURLBytes)
	}
	if !printedASCII.MatchString(raw) {
		return nil, badURL("url_ascii", "must be ASCII without spaces: write other letters of a host as xn--…, and of a path as %%…")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Opaque != "" || u.Host == "":
		return nil, badURL("url_form", "must be a URL such as https://shop.example.com/webhooks")
	case u.Scheme != "https":
		return nil, badURL("url_https", "must begin with https://")
	case u.User != nil:
		return nil, badURL("url_user", "must not contain a user name or password; the signature proves who sent a request")
	case strings.Contains(raw, "#"):
		return nil, badURL("url_fragment", "must not have a fragment (#…): it is never sent")
	}
	port, err := g.port(u)
	if err != nil {
		return nil, err
	}
	return u, g.checkHost(u, port)
}

func (g *Guard) port(u *url.URL) (uint16, error) {
	text := u.Port()
	if text == "" && !strings.HasSuffix(u.Host, ":") {
		text = "443"
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || !slices.Contains(g.ports, uint16(port)) {
		return 0, badURL("url_port", "must have one of the allowed ports: %s", g.portNames())
	}
	return uint16(port), nil
}

func (g *Guard) portNames() string {
	var names []string
	for _, p := range g.ports {
		names = append(names, strconv.Itoa(int(p)))
	}
	return strings.Join(names, ", ")
}

func (g *Guard) checkHost(u *url.URL, port uint16) error {
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") || endsInNumber.MatchString(host) {
		a, err := netip.ParseAddr(host)
		if err != nil {
			return badURL("url_host", "must have a name or an address in the usual form as host, such as 198.51.100.7")
		}
		if g.CheckAddress(netip.AddrPortFrom(a, port)) != nil {
			return badURL("url_private", "must not lead to an address that is private, reserved or this server's own")
		}
		return nil
	}
	if len(host) > 253 || !hostName.MatchString(host) {
		return badURL("url_host", "must have a host name of letters, digits, hyphens and dots")
	}
	if len(g.private) == 0 && privateName(strings.ToLower(host)) {
		return badURL("url_public", "must have a public host name, such as shop.example.com")
	}
	return nil
}

func privateName(host string) bool {
	return !strings.Contains(host, ".") || slices.ContainsFunc(privateSuffixes, func(s string) bool { return strings.HasSuffix(host, s) })
}

// badURL names the rule too, for those who say it in another language, with its
// only value, if it has one, as {n}.
func badURL(rule, format string, args ...any) error {
	e := controlplane.InvalidField("url", format, args...)
	e.Fields[0].Rule = rule
	for _, a := range args {
		e.Fields[0].Args = append(e.Fields[0].Args, "n", fmt.Sprint(a))
	}
	return e
}

// urlProblem is the sentence in an error of [Guard.CheckURL].
func urlProblem(err error) string {
	var invalid *controlplane.Error
	if errors.As(err, &invalid) && len(invalid.Fields) > 0 {
		return "the URL " + invalid.Fields[0].Message
	}
	return "the URL cannot be used"
}
