package keyring

import (
	"fmt"
	"io"
	"log/slog"
)

const redactedText = "[redacted]"

// redacted is embedded by the types that lead to key material, so that no fmt
// verb, encoder or logger finds a way to it.
type redacted struct{}

// Format answers every verb, also those that bypass String such as %x and %#v.
func (redacted) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, redactedText) // a fmt.State reports write errors to its own caller
}

func (redacted) String() string { return redactedText }

// MarshalText serves encoding/json, xml, gob and zap's reflection encoder alike.
func (redacted) MarshalText() ([]byte, error) { return []byte(redactedText), nil }

func (redacted) LogValue() slog.Value { return slog.StringValue(redactedText) }
