package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Target is where a client sends the input of an operation, and how.
type Target struct {
	Method string
	// Path has the query, if there is one.
	Path string
	// Body is JSON; nil when there is none.
	Body []byte
}

// Locate finds the route of an operation and takes an input apart for it, as the
// server puts it together. ok is false for an operation that the API does not have.
func Locate(op controlplane.Operation, input []byte) (t Target, ok bool, err error) {
	var fields map[string]any
	d := json.NewDecoder(strings.NewReader(string(input)))
	d.UseNumber() // a row number of 2^53 and more must stay what it is
	if err := d.Decode(&fields); err != nil {
		return t, false, fmt.Errorf("the input of %s: %w", op, err)
	}
	for _, r := range Routes() {
		if r.Operation != op {
			continue
		}
		ok = true
		if path, fits := r.fill(fields); fits {
			t, err = r.target(path, fields)
			return t, true, err
		}
	}
	return t, ok, controlplane.Errorf(controlplane.CodeInvalid, "an id is missing")
}

// fill puts ids into the path; it does not fit an input that lacks one of them.
func (r Route) fill(fields map[string]any) (string, bool) {
	path := r.Path
	for _, name := range r.wildcards() {
		id, _ := fields[name].(string)
		if id == "" || id == "." || id == ".." || id == "/" { // no id, and a path would lose it
			return "", false
		}
		path = strings.Replace(path, "{"+name+"}", url.PathEscape(id), 1)
	}
	return path, true
}

func (r Route) target(path string, fields map[string]any) (t Target, err error) {
	t = Target{Method: r.Method, Path: path}
	for _, name := range r.wildcards() {
		delete(fields, name)
	}
	if r.hasBody() {
		t.Body, err = json.Marshal(fields)
		return t, err
	}
	query := url.Values{}
	for name, value := range fields {
		query.Set(name, fmt.Sprint(value))
	}
	if len(query) > 0 {
		t.Path += "?" + query.Encode()
	}
	return t, nil
}
