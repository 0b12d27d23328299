package controlplane

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"
)

// checker holds inputs against their validate tags. Beside validator's own tags
// it knows those of the domain:
//
//	merchant_name  2 to 100 printable characters
//	note           1 to 200 printable characters
//	username       3 to 64 of a–z 0–9 . _ - @ +, starting with a letter or digit
//	env            live or test
//	merchant_role  owner, admin, operator or viewer
//	platform_role  platform_admin, platform_operator or auditor
//	overlap        an [Overlap] on offer
//	mailable       printable ASCII, as an e-mail header takes it
type checker struct{ v *validator.Validate }

func newChecker() (*checker, error) {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	username := regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{2,63}$`)
	tags := map[string]func(string) bool{
		"merchant_name": func(s string) bool { return printable(s, 2, 100) },
		"note":          func(s string) bool { return printable(s, 1, 200) },
		"username":      username.MatchString,
		"env":           func(s string) bool { return Environment(s).Valid() },
		"platform_role": func(s string) bool { return isPlatformRole(Role(s)) },
		"merchant_role": func(s string) bool { return isMerchantRole(Role(s)) },
		"mailable":      func(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0 },
	}
	for tag, ok := range tags {
		err := v.RegisterValidation(tag, func(fl validator.FieldLevel) bool { return ok(fl.Field().String()) })
		if err != nil {
			return nil, fmt.Errorf("register the validation %q: %w", tag, err)
		}
	}
	err := v.RegisterValidation("overlap", func(fl validator.FieldLevel) bool { return Overlap(fl.Field().Int()).Valid() })
	if err != nil {
		return nil, fmt.Errorf("register the validation %q: %w", "overlap", err)
	}
	return &checker{v}, nil
}

// printable counts characters, and refuses control characters, line breaks and
// the invisible ones that make two texts look alike.
func printable(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	if !utf8.ValidString(s) || strings.TrimSpace(s) != s || n < least || n > most {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

func isPlatformRole(r Role) bool {
	return r == RolePlatformAdmin || r == RolePlatformOperator || r == RoleAuditor
}

func isMerchantRole(r Role) bool {
	switch r {
	case RoleOwner, RoleAdmin, RoleOperator, RoleViewer:
		return true
	}
	return false
}

// input returns [CodeInvalid] with one [FieldError] for each broken rule.
func (c *checker) input(in any) error {
	err := c.v.Struct(in)
	if err == nil {
		return nil
	}
	var broken validator.ValidationErrors
	if !errors.As(err, &broken) {
		return fmt.Errorf("validate %T: %w", in, err)
	}
	out := &Error{Code: CodeInvalid}
	for _, f := range broken {
		out.Fields = append(out.Fields, FieldError{Field: f.Field(), Message: ruleText(f), Rule: f.Tag(), Args: []string{"n", f.Param()}})
	}
	return out
}

// ruleText says in words which rule a value breaks. It never repeats the value:
// it may be a secret pasted into the wrong field.
func ruleText(f validator.FieldError) string {
	switch f.Tag() {
	case "required":
		return "is missing"
	case "merchant_name":
		return "must be 2 to 100 printable characters without spaces around them"
	case "note":
		return "must be 1 to 200 printable characters on one line without spaces around them"
	case "username":
		return "must be 3 to 64 of a-z 0-9 . _ - @ + and start with a letter or digit"
	case "env":
		return "must be live or test"
	case "merchant_role":
		return "must be owner, admin, operator or viewer"
	case "platform_role":
		return "must be platform_admin, platform_operator or auditor"
	case "overlap":
		return "must be one of: 0, 1h, 24h, 168h (7 days)"
	case "email", "mailable":
		return "must be an e-mail address such as name@example.com"
	case "oneof":
		return "must be one of: " + f.Param()
	case "min":
		return "must be at least " + f.Param()
	case "max":
		return "must be at most " + f.Param()
	}
	return "breaks the rule " + f.Tag()
}
