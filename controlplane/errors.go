package controlplane

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code says what kind of failure an [Error] is. The set is closed: callers map
// each code to an HTTP status, an exit status or a form field once.
type Code string

const (
	// CodeInvalid: the input breaks a rule; [Error.Fields] names which.
	CodeInvalid Code = "INVALID"
	// CodeNotFound: no such thing, or it belongs to another merchant. The two
	// are one answer on purpose: an id must not be probeable across merchants.
	CodeNotFound Code = "NOT_FOUND"
	// CodeConflict: the change collides with the present state.
	CodeConflict Code = "CONFLICT"
	// CodeDenied: the actor's role does not hold the permission; at sign-in, the
	// password or the code is wrong or the account cannot sign in, which is one
	// answer on purpose.
	CodeDenied Code = "PERMISSION_DENIED"
	// CodeSudoRequired: the role suffices, but the actor must confirm who they are.
	CodeSudoRequired Code = "SUDO_REQUIRED"
	// CodeUnauthenticated: there is no session, or it has ended, or it has not come
	// far enough; sign in.
	CodeUnauthenticated Code = "UNAUTHENTICATED"
	// CodeSuspended: the merchant is suspended and its users may only read.
	CodeSuspended Code = "MERCHANT_SUSPENDED"
	// CodeLimit: a documented maximum is reached; of attempts, if RetryAfter is set.
	CodeLimit Code = "LIMIT_REACHED"
	// CodePending: the change was written down and waits until another member of staff
	// approves it; nothing else is changed yet. [Error.ApprovalID] names it.
	CodePending Code = "APPROVAL_PENDING"
	// CodeUnavailable: a part the operation needs is away; trying again may help.
	CodeUnavailable Code = "UNAVAILABLE"
	// CodeInternal: a fault of ours. The message never reaches a caller.
	CodeInternal Code = "INTERNAL"
)

// Error is what every operation returns on failure.
type Error struct {
	Code Code `json:"code"`
	// Message is for people: what happened and what to do about it.
	Message string `json:"message"`
	// Fields names the inputs at fault: always when Code is [CodeInvalid], and
	// with other codes where one input is to blame.
	Fields []FieldError `json:"fields,omitempty"`
	// ApprovalID is what a change waits for when Code is [CodePending].
	ApprovalID string `json:"approval_id,omitempty"`
	// RetryAfter is when the same call may succeed; 0 if waiting is not known to
	// help.
	RetryAfter time.Duration `json:"-"`
	// Err is the cause, for the log only.
	Err error `json:"-"`
}

// FieldError is one broken rule of one input.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
	// Rule names the broken rule, for those who say it in another language, and
	// Args its values as pairs of name and value.
	Rule string   `json:"-"`
	Args []string `json:"-"`
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for i, f := range e.Fields {
		if i > 0 || e.Message != "" {
			b.WriteString("; ")
		}
		b.WriteString(f.Field + ": " + f.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an [Error] with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// InvalidField is the [CodeInvalid] error for a single input.
func InvalidField(field, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Fields: []FieldError{{Field: field, Message: fmt.Sprintf(format, args...)}}}
}

// because names the rule behind the error's only field.
func (e *Error) because(rule string, args ...string) *Error {
	e.Fields[0].Rule, e.Fields[0].Args = rule, args
	return e
}

// conflictingField is an input that is right in itself but does not fit what is
// there.
func conflictingField(field, rule, format string, args ...any) *Error {
	e := InvalidField(field, format, args...).because(rule)
	e.Code = CodeConflict
	return e
}

// CodeOf returns the code of err; anything that is not an [Error] is internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// ErrNotFound is what a [Tx] returns for a row that is not there. Operations turn
// it into [CodeNotFound] with the name of the thing.
var ErrNotFound = errors.New("not found")

// ErrDuplicate is what a [Tx] returns when a unique constraint refuses a row.
var ErrDuplicate = errors.New("already exists")

func notFound(what, id string) *Error {
	return Errorf(CodeNotFound, "no %s %q", what, shown(id))
}

// shown repeats an id that a caller gave: bounded, and without what may be a secret
// pasted into the wrong place.
func shown(id string) string {
	const most = 64
	switch {
	case strings.Contains(id, "unks_"):
		return redacted
	case len(id) > most:
		return id[:most] + "…"
	}
	return id
}

// orNotFound names what was looked for when err is [ErrNotFound].
func orNotFound(err error, what, id string) error {
	if errors.Is(err, ErrNotFound) {
		return notFound(what, id)
	}
	return err
}
