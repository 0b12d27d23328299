package caddymodule

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// localOperations is every operation that the operator of the machine may do.
func localOperations() []controlplane.Operation {
	var out []controlplane.Operation
	for _, p := range controlplane.Permissions() {
		if p.Allows(controlplane.RoleLocal) {
			out = append(out, p.Operation)
		}
	}
	return out
}

func TestEveryCallIsAnOperationOfTheOperator(t *testing.T) {
	allowed := map[controlplane.Operation]bool{}
	for _, op := range localOperations() {
		allowed[op] = true
	}
	seen := map[controlplane.Operation]bool{}
	for _, c := range calls() {
		if !allowed[c.name] || seen[c.name] {
			t.Errorf("the call %s is not in the permission table for the operator, or here twice", c.name)
		}
		seen[c.name] = true
	}
}

func TestInputsOfCallsAreStrict(t *testing.T) {
	for _, c := range calls() {
		if _, err := c.prepare([]byte(` {} `)); err != nil {
			t.Errorf("%s refuses an empty object: %v", c.name, err)
		}
		for _, input := range []string{``, `[]`, `null`, `""`, `{`, `{}x`, `{} {}`, `{"no_such_field":1}`} {
			if _, err := c.prepare([]byte(input)); controlplane.CodeOf(err) != controlplane.CodeInvalid {
				t.Errorf("%s takes %q: %v", c.name, input, err)
			}
		}
	}
}

// FuzzCallInput holds that no input upsets the decoding, that what is taken is one
// JSON object, and that what is refused is the caller's fault.
func FuzzCallInput(f *testing.F) {
	for i, input := range []string{
		`{}`, `{"name":"Quill"}`, `{"merchant_id":"mer_x","environment":"live","overlap":"24h"}`, `{"merchant_id":"mer_x","cidr":"9.9.9.0/24","note":"x"}`,
		`{"since":"2026-01-31T15:04:05Z","limit":1000,"before":7}`, `{"limit":1e3}`, `{"limit":99999999999999999999}`, `{"a":{"b":[{}]}}`, "{\"name\":\"\xff\"}", `{"to":"/x"}{}`,
	} {
		f.Add(i, []byte(input))
	}
	all := calls()
	f.Fuzz(func(t *testing.T, which int, input []byte) {
		do, err := all[uint(which)%uint(len(all))].prepare(input)
		if err != nil {
			if controlplane.CodeOf(err) != controlplane.CodeInvalid || do != nil {
				t.Fatalf("%q: %v", input, err)
			}
			return
		}
		if !json.Valid(input) || bytes.TrimSpace(input)[0] != '{' {
			t.Fatalf("took %q", input)
		}
	})
}
