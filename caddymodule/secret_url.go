package caddymodule

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// secretURL is the address of a server, as a configuration may give it: with the
// password somewhere else, because Caddy stores its configuration.
type secretURL struct {
	of, example         string // for errors, none of which holds the URL
	given, passwordFile string
}

// filled is the URL with its placeholders replaced. What replaces the password is
// not read as part of a URL: it may hold any character.
func (s secretURL) filled() (string, error) {
	if isPlaceholder(s.given) {
		return s.fill(s.given)
	}
	bare, password := cutPassword(s.given)
	switch {
	case password == "":
		return s.fill(bare)
	case !isPlaceholder(password):
		return "", fmt.Errorf("the URL of %s holds a password, and Caddy's stored configuration would too; put it into a file and give password_file, or write a placeholder such as {env.PASSWORD}", s.of)
	case s.passwordFile != "":
		return "", fmt.Errorf("the URL of %s has a password, and there is a password_file too; give one of them", s.of)
	}
	bare, err := s.fill(bare)
	if err != nil {
		return "", err
	}
	if password, err = s.fill(password); err != nil {
		return "", err
	}
	u, err := url.Parse(bare)
	if err != nil {
		return "", fmt.Errorf("the URL of %s is not one; it looks like %s", s.of, s.example)
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String(), nil
}

func (s secretURL) fill(text string) (string, error) {
	filled, err := caddy.NewReplacer().ReplaceOrErr(text, true, true)
	if err != nil {
		return "", fmt.Errorf("the URL of %s: %w", s.of, err)
	}
	return filled, nil
}

// isPlaceholder reports whether text is one placeholder and nothing else.
func isPlaceholder(text string) bool {
	return len(text) > 2 && text[0] == '{' && strings.IndexByte(text, '}') == len(text)-1
}

// cutPassword takes the password out of a URL.
func cutPassword(raw string) (bare, password string) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw, ""
	}
	end := strings.LastIndexByte(rest, '@')
	if end < 0 {
		return raw, ""
	}
	user, password, ok := strings.Cut(rest[:end], ":")
	if !ok {
		return raw, ""
	}
	return scheme + "://" + user + rest[end:], password
}
