package portal

import (
	"cmp"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// field is one input of a form, as the partial "field" draws it. Label and Hint
// are keys of the catalogue.
type field struct {
	Name  string
	Label string
	Hint  string
	// Type of the input; empty means text.
	Type         string
	Autocomplete string
	InputMode    string
	Value        string
	Required     bool
	MaxLength    int
	// Focus: the cursor starts here.
	Focus bool
	// Options make it a choice of one.
	Options []option
	// Error is the text, in the reader's language, of what is wrong.
	Error string
}

// option is one choice; Label is a key of the catalogue.
type option struct {
	Value, Label string
	Chosen       bool
}

// form is what a page asks for. It is built anew for every answer, so a refused
// form shows what was typed, except passwords and codes.
type form struct {
	Fields []field
	// Problem is what is wrong with the form as a whole: a text in the reader's
	// language.
	Problem string
	// OnceID guards a form that reveals a secret; see [onceForms].
	OnceID string
}

// Field returns a field for a template.
func (f form) Field(name string) (field, error) {
	for _, one := range f.Fields {
		if one.Name == name {
			return one, nil
		}
	}
	return field{}, controlplane.Errorf(controlplane.CodeInternal, "the form has no field %q", name)
}

// Wrong returns the fields with an error, for the summary.
func (f form) Wrong() []field {
	var wrong []field
	for _, one := range f.Fields {
		if one.Error != "" {
			wrong = append(wrong, one)
		}
	}
	return wrong
}

// Failed reports whether there is anything to put right.
func (f form) Failed() bool { return f.Problem != "" || len(f.Wrong()) > 0 }

// mark puts an error on a field.
func (f *form) mark(name, text string) {
	for i := range f.Fields {
		if f.Fields[i].Name == name {
			f.Fields[i].Error, f.Fields[i].Focus = text, true
		} else {
			f.Fields[i].Focus = false
		}
	}
}

// blame shows what the control plane says is wrong with the inputs, each at its
// field; names maps inputs to fields that are called otherwise. It returns false
// for an error that is not about a field of the form.
func (x *exchange) blame(f *form, err error, names map[string]string) (bool, error) {
	var e *controlplane.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return false, nil
	}
	for _, wrong := range e.Fields {
		name := cmp.Or(names[wrong.Field], wrong.Field)
		if _, err := f.Field(name); err != nil {
			return false, nil
		}
		text, err := x.ruleText(wrong)
		if err != nil {
			return false, err
		}
		f.mark(name, text)
	}
	x.cause = err
	return true, nil
}

// ruleText says in the reader's language which rule an input breaks. A rule that
// has no text yet is said in the control plane's English rather than not at all.
func (x *exchange) ruleText(wrong controlplane.FieldError) (string, error) {
	args := make([]any, len(wrong.Args))
	for i, a := range wrong.Args {
		args[i] = a
	}
	if _, found := x.lang.texts["rule."+wrong.Rule]; !found {
		return x.text("rule.other", "message", wrong.Message)
	}
	return x.text("rule."+wrong.Rule, args...)
}

// parseForm reads the body of a POST.
func (x *exchange) parseForm() error {
	kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return httpError{status: http.StatusBadRequest, cause: err}
	}
	if err := x.r.ParseForm(); err != nil {
		h := asHTTPError(err)
		if h.status == http.StatusRequestEntityTooLarge {
			return h
		}
		// url.Error and friends quote what was sent, which may be a password.
		return httpError{status: http.StatusBadRequest}
	}
	if !plainForm(x.r.PostForm) {
		return httpError{status: http.StatusBadRequest}
	}
	return nil
}

// plainForm refuses what none of our forms sends: a field twice, text that is not
// UTF-8, NUL.
func plainForm(values url.Values) bool {
	for name, v := range values {
		if len(v) != 1 || !utf8.ValidString(name) || !utf8.ValidString(v[0]) || strings.ContainsRune(v[0], 0) {
			return false
		}
	}
	return true
}

// value returns what was typed, without the spaces that pasting leaves around it.
func (x *exchange) value(name string) string { return strings.TrimSpace(x.r.PostForm.Get(name)) }

// secret returns a typed password or code exactly as it was typed.
func (x *exchange) secret(name string) controlplane.Secret {
	return controlplane.NewSecret(x.r.PostForm.Get(name))
}
