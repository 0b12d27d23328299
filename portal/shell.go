package portal

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// pasteProblem is what is wrong with what somebody pasted: a key of the catalogue
// and the place. It never holds a part of it, which may be a signature.
type pasteProblem struct {
	key string
	// n is the word or line at fault, from 1.
	n int
}

func (p *pasteProblem) Error() string { return p.key + " at " + strconv.Itoa(p.n) }

// shell cuts a command line into words as a POSIX shell does, with bash's $'…'. It
// stops at the end of the first command, and refuses what only a shell can fill in.
type shell struct {
	text  string
	at    int
	words []string
	word  strings.Builder
	open  bool // a word has begun, empty as it may be
}

// shellWords expects line feeds only.
func shellWords(text string) ([]string, error) {
	s := &shell{text: text}
	for s.at < len(s.text) {
		more, err := s.next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	s.end()
	return s.words, nil
}

func (s *shell) end() {
	if s.open {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.open = false
}

func (s *shell) add(text string) {
	s.word.WriteString(text)
	s.open = true
}

func (s *shell) problem(key string) error { return &pasteProblem{key, len(s.words) + 1} }

// next takes one character, or one quotation; false at the end of the command.
func (s *shell) next() (bool, error) {
	c := s.text[s.at]
	s.at++
	switch c {
	case ' ', '\t':
		s.end()
	case '\n', ';', '|', '&', '<', '>', '(', ')':
		return len(s.words) == 0 && !s.open && c == '\n', nil // empty lines before the command
	case '\'':
		return true, s.single()
	case '"':
		return true, s.double()
	case '\\':
		s.escaped()
	case '`':
		return true, s.problem("expansion")
	case '$':
		return true, s.dollar()
	case '#':
		if !s.open { // a comment
			s.at = min(len(s.text), s.at+len(firstLine(s.text[s.at:])))
			return true, nil
		}
		s.add("#")
	default:
		s.add(string([]byte{c}))
	}
	return true, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// escaped is what follows a backslash outside of quotes; a line feed goes on with
// the next line.
func (s *shell) escaped() {
	if s.at == len(s.text) {
		return
	}
	if s.text[s.at] != '\n' {
		s.add(s.text[s.at : s.at+1])
	}
	s.at++
}

func (s *shell) single() error {
	inner, _, closed := strings.Cut(s.text[s.at:], "'")
	if !closed {
		return s.problem("quote")
	}
	s.add(inner)
	s.at += len(inner) + 1
	return nil
}

func (s *shell) double() error {
	s.add("")
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return nil
		case c == '$' && s.at < len(s.text) && startsExpansion(s.text[s.at]) || c == '`':
			return s.problem("expansion")
		case c == '\\' && s.at < len(s.text) && strings.IndexByte("\"\\$`\n", s.text[s.at]) >= 0:
			s.escaped()
		default:
			s.add(string([]byte{c}))
		}
	}
	return s.problem("quote")
}

// startsExpansion: a dollar before anything else is a dollar.
func startsExpansion(c byte) bool {
	return c == '{' || c == '(' || c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("@*#?-$!", c) >= 0
}

func (s *shell) dollar() error {
	switch {
	case s.at < len(s.text) && s.text[s.at] == '\'':
		s.at++
		return s.ansi()
	case s.at < len(s.text) && (startsExpansion(s.text[s.at]) || s.text[s.at] == '"'):
		return s.problem("expansion")
	}
	s.add("$")
	return nil
}

// ansi is $'…', in which browsers write what they copy as a curl command.
func (s *shell) ansi() error {
	s.add("")
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '\'':
			return nil
		case c == '\\' && s.at < len(s.text):
			s.ansiEscape()
		default:
			s.add(string([]byte{c}))
		}
	}
	return s.problem("quote")
}

func (s *shell) ansiEscape() {
	c := s.text[s.at]
	s.at++
	switch c {
	case 'x':
		s.number(16, 2, false)
	case 'u':
		s.number(16, 4, true)
	case 'U':
		s.number(16, 8, true)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		s.at--
		s.number(8, 3, false)
	default:
		const names, values = "abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?"
		if i := strings.IndexByte(names, c); i >= 0 {
			s.add(values[i : i+1])
			return
		}
		s.add("\\" + string([]byte{c}))
	}
}

// number reads up to most digits: of a character, or of a byte.
func (s *shell) number(base, most int, character bool) {
	n := 0
	for n < most && s.at+n < len(s.text) {
		if _, err := strconv.ParseUint(s.text[s.at+n:s.at+n+1], base, 8); err != nil {
			break
		}
		n++
	}
	value, err := strconv.ParseUint(s.text[s.at:s.at+n], base, 32)
	s.at += n
	switch {
	case err != nil: // no digit at all
	case character && value <= utf8.MaxRune:
		s.add(string(rune(value)))
	default:
		s.add(string([]byte{byte(value)}))
	}
}
