package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// signBody is the body of a request to be signed, and where it came from.
type signBody struct {
	bytes []byte
	file  string // empty: the command line or standard input
}

// maxInlineBody is how many bytes of a body a command line takes; Linux allows
// 128 KiB for one argument.
const maxInlineBody = 96 << 10

func (s *session) readBody(f signFlags) (signBody, error) {
	file := f.dataFile
	if name, ok := strings.CutPrefix(f.data, "@"); ok {
		file = name
	}
	if file == "" {
		return signBody{bytes: []byte(f.data)}, nil
	}
	text, err := s.readFile(file, maxSignedBody)
	if err != nil {
		return signBody{}, fmt.Errorf("read the body: %w", err)
	}
	if file == "-" {
		file = ""
	}
	return signBody{text, file}, nil
}

// curlLine is a command that sends exactly what was signed, whatever curl would
// rather make of it.
func curlLine(req *http.Request, body signBody) (string, error) {
	words := []string{"curl", "-i"}
	// curl takes /../ out of paths and reads [] and {} as patterns.
	if strings.Contains(req.URL.EscapedPath(), "/.") || strings.Contains(strings.ToLower(req.URL.EscapedPath()), "%2e") {
		words = append(words, "--path-as-is")
	}
	if strings.ContainsAny(req.URL.String(), "[]{}") {
		words = append(words, "--globoff")
	}
	switch {
	case req.Method == http.MethodHead:
		words = append(words, "--head") // -X HEAD waits for a body
	case req.Method != http.MethodGet || len(body.bytes) > 0:
		words = append(words, "-X", req.Method)
	}
	if req.Host != req.URL.Host {
		words = append(words, "-H", "Host: "+req.Host)
	}
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		words = append(words, "-H", name+": "+req.Header.Get(name))
	}
	data, err := curlData(req.Header, body)
	if err != nil {
		return "", err
	}
	words = append(append(words, data...), req.URL.String())
	for i, w := range words {
		words[i] = shellQuote(w)
	}
	return strings.Join(words, " "), nil
}

func curlData(h http.Header, body signBody) (words []string, err error) {
	if len(body.bytes) == 0 {
		return nil, nil
	}
	if h.Get("Content-Type") == "" && json.Valid(body.bytes) {
		words = append(words, "-H", "Content-Type: application/json")
	}
	if body.file != "" {
		return append(words, "--data-binary", "@"+body.file), nil
	}
	if len(body.bytes) > maxInlineBody || !utf8.Valid(body.bytes) || slices.Contains(body.bytes, 0) {
		return nil, errors.New("the body does not fit on a command line; put it into a file and name that with --data-file")
	}
	// Unlike --data, --data-raw takes a leading @ as it is.
	return append(words, "--data-raw", string(body.bytes)), nil
}

// shellQuote is for POSIX shells: between single quotes nothing has a meaning but
// the single quote.
func shellQuote(word string) string {
	if word != "" && !strings.ContainsFunc(word, needsQuotes) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func needsQuotes(c rune) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_./:@%+=,", c))
}
