package signature

import "strings"

// scanner reads the part of RFC 9651 structured fields that signatures use:
// keys, strings and byte sequences. It holds what is left to read.
type scanner struct{ rest string }

func (s *scanner) take(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) spaces() { s.rest = strings.TrimLeft(s.rest, " ") }

// whitespace is what may stand around the commas of a dictionary.
func (s *scanner) whitespace() { s.rest = strings.TrimLeft(s.rest, " \t") }

// cut returns the next n bytes and moves past them.
func (s *scanner) cut(n int) string {
	head := s.rest[:n]
	s.rest = s.rest[n:]
	return head
}

// until returns what comes before the first of chars, or all that is left.
func (s *scanner) until(chars string) string {
	if end := strings.IndexAny(s.rest, chars); end >= 0 {
		return s.cut(end)
	}
	return s.cut(len(s.rest))
}

// key reads a key, RFC 9651 §3.1.2.
func (s *scanner) key() (string, bool) {
	n := 0
	for n < len(s.rest) && keyByte(s.rest[n], n == 0) {
		n++
	}
	return s.cut(n), n > 0
}

func keyByte(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', c == '*':
		return true
	case '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		return !first
	}
	return false
}

// quoted reads a string, RFC 9651 §3.3.3, and returns it with its quotes and
// escapes: that is its only serialisation.
func (s *scanner) quoted() (string, bool) {
	if s.rest == "" || s.rest[0] != '"' {
		return "", false
	}
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			return s.cut(i + 1), true
		case c == '\\':
			i++
			if i == len(s.rest) || s.rest[i] != '"' && s.rest[i] != '\\' {
				return "", false
			}
		case c < ' ' || c > '~':
			return "", false
		}
	}
	return "", false
}

// bytes reads a byte sequence, RFC 9651 §3.3.5, and returns its base64. Padding
// is required, as the RFC lets a parser do: one value, one spelling.
func (s *scanner) bytes() (string, bool) {
	if !s.take(':') {
		return "", false
	}
	end := strings.IndexByte(s.rest, ':')
	if end < 0 || !paddedBase64(s.rest[:end]) {
		return "", false
	}
	text := s.cut(end)
	return text, s.take(':')
}

func paddedBase64(text string) bool {
	digits := strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	for i := range len(digits) {
		if c := digits[i]; !alphanumeric(c) && c != '+' && c != '/' {
			return false
		}
	}
	return len(text)%4 == 0 && (text == digits || len(digits)%4 > 1)
}

// ended skips white space and reports whether nothing is left.
func (s *scanner) ended() bool {
	s.whitespace()
	return s.rest == ""
}
