package store

import (
	"fmt"
	"strings"
)

// filter is a statement that grows by the conditions that are asked for, and its
// arguments. One text for all, with an OR for what is not asked for, would keep every
// index out. Conditions are constants of this package: what a caller asks for is an
// argument.
type filter struct {
	text strings.Builder
	args []any
}

func newFilter(statement string, args ...any) *filter {
	f := &filter{args: args}
	f.text.WriteString(statement)
	return f
}

// add appends to the text, in which %[1]d is the number of the argument.
func (f *filter) add(text string, arg any) {
	f.args = append(f.args, arg)
	fmt.Fprintf(&f.text, text, len(f.args))
}

// equal appends a condition unless the value is empty.
func (f *filter) equal(condition, value string) {
	if value != "" {
		f.add(condition, value)
	}
}
