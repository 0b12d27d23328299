package signature

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// The refusals of [Host] and [Target]. They quote nothing, because the text
// comes from whoever sent the request.
var (
	errHostEmpty   = errors.New("signature: the host is empty")
	errHostSyntax  = errors.New("signature: the host must be a name of letters, digits, '.', '-' and '_' (IDNs in their xn-- form), an IPv4 address or an [IPv6] address")
	errPortSyntax  = errors.New("signature: the port must be 1 to 65535, without leading zeroes")
	errTargetForm  = errors.New("signature: the request target must be a path and an optional query, beginning with '/'; absolute, authority and asterisk forms are not accepted")
	errTargetBytes = errors.New("signature: the request target must be percent-encoded: it holds a space, '#', a control character or a byte above 0x7e")
)

// hostMax is the longest DNS name with its final dot, RFC 1035 §2.3.4.
const hostMax = 255

// Host normalises a Host header or :authority for signing: lower-case, without
// the default port of the scheme (443 for https, 80 for http). IPv6 literals
// keep their brackets and their spelling; a zone is refused. A trailing dot is
// kept as sent, because api.example.com. and api.example.com are different
// hosts to servers and proxies. It allocates only when it has to lower a case.
func Host(host, scheme string) (string, error) {
	if host == "" {
		return "", errHostEmpty
	}
	name, port, err := splitPort(host)
	if err != nil {
		return "", err
	}
	if !validName(name) {
		return "", errHostSyntax
	}
	if port == "443" && scheme == "https" || port == "80" && scheme == "http" {
		host = name
	}
	return strings.ToLower(host), nil
}

func splitPort(host string) (name, port string, err error) {
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || colon < strings.LastIndexByte(host, ']') {
		return host, "", nil
	}
	name, port = host[:colon], host[colon+1:]
	if !validPort(port) {
		return "", "", errPortSyntax
	}
	return name, port, nil
}

func validPort(s string) bool {
	if !allDigits(s) || s[0] == '0' || len(s) > 5 {
		return false
	}
	n, err := strconv.Atoi(s)
	return err == nil && n <= 65535
}

func validName(s string) bool {
	if strings.HasPrefix(s, "[") {
		return validIPv6(s)
	}
	if s == "" || s[0] == '.' || len(s) > hostMax {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && c != '.' && c != '-' && c != '_' {
			return false
		}
		if s[i] == '.' && i > 0 && s[i-1] == '.' {
			return false
		}
	}
	return true
}

func validIPv6(s string) bool {
	if !strings.HasSuffix(s, "]") {
		return false
	}
	addr, err := netip.ParseAddr(s[1 : len(s)-1])
	return err == nil && addr.Is6() && addr.Zone() == ""
}

// Target checks a request target and returns it as it is to be signed: exactly
// as sent, with "/" for an empty path. Only the origin form (RFC 9112 §3.2.1)
// is accepted: the others name a second host that proxies read differently.
func Target(raw string) (string, error) {
	if raw == "" || raw[0] == '?' {
		raw = "/" + raw
	}
	if raw[0] != '/' {
		return "", errTargetForm
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c == '#' || c > '~' {
			return "", errTargetBytes
		}
	}
	return raw, nil
}
