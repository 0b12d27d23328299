package controlplane

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret holds text that must never be printed: API secrets, one-time passwords,
// password hashes. Every way Go has of turning a value into text prints
// "[redacted]"; [Secret.Reveal] is the one that does not, so that the places
// where a secret leaves the program can be listed with grep.
//
// The text is behind a pointer: fmt calls no method on the unexported fields of a
// struct, and would print a plain string there.
type Secret struct{ text *string }

// NewSecret wraps text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text. Callers show it once or hand it to cryptography.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

func (s Secret) String() string                { return redacted }
func (s Secret) GoString() string              { return redacted }
func (s Secret) MarshalText() ([]byte, error)  { return []byte(redacted), nil }
func (s Secret) MarshalJSON() ([]byte, error)  { return json.Marshal(redacted) }
func (s Secret) LogValue() slog.Value          { return slog.StringValue(redacted) }
func (s Secret) Format(f fmt.State, verb rune) { _, _ = fmt.Fprint(f, redacted) } // the writer is fmt's own buffer

var (
	_ fmt.Formatter  = Secret{}
	_ json.Marshaler = Secret{}
	_ slog.LogValuer = Secret{}
)
