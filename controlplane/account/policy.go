package account

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Lengths of a password, in characters. There are no rules on what it is composed
// of (NIST SP 800-63B section 3.1.1.2, ASVS 5.0 6.2.5).
const (
	MinPassword = 15
	// MinPasswordWithSecondFactor is for accounts that have one.
	MinPasswordWithSecondFactor = 12
	// MaxPassword bounds what is hashed.
	MaxPassword = 128
	// maxPasswordBytes is MaxPassword characters of the widest kind.
	maxPasswordBytes = MaxPassword * utf8.UTFMax
	// minUnpredictable characters must remain of a password when what anyone would
	// try first is taken out: words from lists, names, walks on the keyboard.
	minUnpredictable = 8
)

// about is what a password must not be made of.
type about struct {
	username, email, merchant string
	secondFactor              bool
}

// checkPassword returns [controlplane.CodeInvalid] on the field "password" with
// the rule password_short, _long, _text, _common or _personal. It does not look
// at former passwords.
func checkPassword(password string, a about) error {
	least := MinPassword
	if a.secondFactor {
		least = MinPasswordWithSecondFactor
	}
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password) || strings.IndexFunc(password, unicode.IsControl) >= 0:
		return weak("text", "has characters that cannot be typed everywhere; leave them out")
	case n < least:
		return weak("short", "must be at least %d characters; a few unrelated words work well", least, "n", strconv.Itoa(least))
	case n > MaxPassword:
		return weak("long", "must be at most %d characters", MaxPassword, "n", strconv.Itoa(MaxPassword))
	}
	if leaked(password) || unpredictable(password, nil) < minUnpredictable {
		return weak("common", "is one of those that are tried first, or made of them; a few unrelated words work better")
	}
	if unpredictable(password, a.words()) < minUnpredictable {
		return weak("personal", "is mostly a name that belongs to you or to us; choose words that have nothing to do with you")
	}
	return nil
}

// weak is the error of one rule. The first arguments are the format's, what
// follows in pairs of strings are the rule's own.
func weak(rule, format string, args ...any) error {
	f := controlplane.FieldError{Field: "password", Rule: "password_" + rule, Message: format}
	if len(args) > 0 {
		f.Message = fmt.Sprintf(format, args[0])
		for _, a := range args[1:] {
			f.Args = append(f.Args, fmt.Sprint(a))
		}
	}
	return &controlplane.Error{Code: controlplane.CodeInvalid, Fields: []controlplane.FieldError{f}}
}

// words are the names around an account, whole and in their parts.
func (a about) words() []string {
	var out []string
	for _, name := range []string{a.username, a.email, a.merchant, "unknownpay", "unknown", "merchant", "gateway"} {
		parts := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		for _, part := range append(parts, strings.Join(parts, ""), name) {
			if utf8.RuneCountInString(part) >= 3 {
				out = append(out, fold(part))
			}
		}
	}
	return out
}

// normalise gives a password the one form in which it is hashed: an "é" may come
// as one character or two, depending on the keyboard (RFC 8265 section 4.2.2).
// Text that is not UTF-8, or endless, comes back as it is and matches nothing.
func normalise(password controlplane.Secret) controlplane.Secret {
	text := password.Reveal()
	if len(text) > maxPasswordBytes || !utf8.ValidString(text) {
		return password
	}
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, text)
	return controlplane.NewSecret(norm.NFC.String(text))
}

// hashable reports whether a password can be that of any account: the others need
// not be given to the hash at full length.
func hashable(password controlplane.Secret) bool { return len(password.Reveal()) <= maxPasswordBytes }
