package delivery

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// What is kept of an answer's headers. Whoever answers chooses them, and they are
// stored 30 days for each attempt.
const (
	maxKeptHeader      = 8 << 10
	maxKeptHeaderValue = 1 << 10
	redactedValue      = "[redacted]"
)

// tellingNames are parts of the names of headers whose values may let somebody in.
var tellingNames = []string{"cookie", "authorization", "token", "secret", "password", "session", "api-key", "apikey", "credential"}

// errNoStatus is for a status such as 000, which net/http lets pass.
var errNoStatus = errors.New("the status is not one of HTTP")

// read takes in as much of the answer as counts. The error is for a body that
// breaks off, or does not end in time.
func (r *Result) read(answer *http.Response) (err error) {
	defer answer.Body.Close()
	if answer.StatusCode < 100 {
		return errNoStatus
	}
	r.Status = answer.StatusCode
	r.Header = shownHeader(answer.Header)
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return nil // the body is the connection itself, and has no end
	}
	r.Body, err = io.ReadAll(io.LimitReader(answer.Body, controlplane.MaxKeptBody))
	if err != nil {
		return err
	}
	// Reading on until the end, if it is near, lets the connection be used again.
	more, err := io.CopyN(io.Discard, answer.Body, maxAnswerBody-controlplane.MaxKeptBody)
	r.BodyCut = more > 0
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// shownHeader lists an answer's headers by name, the two first that the engine
// reads, so that they are never what is left out.
func shownHeader(h http.Header) (shown []controlplane.Header) {
	names := []string{"Retry-After", "Date"}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	room := maxKeptHeader
	for _, name := range names {
		for _, value := range h[name] {
			f := controlplane.Header{Name: printable(name, maxKeptHeaderValue), Value: shownValue(name, value)}
			if room -= len(f.Name) + len(f.Value); room < 0 {
				return shown
			}
			shown = append(shown, f)
		}
	}
	return shown
}

func shownValue(name, value string) string {
	name = strings.ToLower(name)
	if slices.ContainsFunc(tellingNames, func(part string) bool { return strings.Contains(name, part) }) {
		return redactedValue
	}
	return printable(value, maxKeptHeaderValue)
}

// printable is text that a page and a database take: valid UTF-8 without control
// characters, at most limit bytes long and "…" if it was cut.
func printable(s string, limit int) string {
	cut := len(s) > limit
	if cut {
		s = s[:limit]
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if cut {
		s += "…"
	}
	return s
}
