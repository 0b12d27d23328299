package api

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// object is a JSON object of the document. encoding/json writes its keys in order,
// so that the document is the same every time.
type object = map[string]any

// field is one member of a struct as JSON.
type field struct {
	reflect.StructField
	name     string
	optional bool
	rules    []string
}

// fieldsOf lists the members that encoding/json writes: those of embedded structs
// are the struct's own, and a shadowed one is not there.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() || f.Anonymous && name == "" {
			continue
		}
		var rules []string
		if tag := f.Tag.Get("validate"); tag != "" {
			rules = strings.Split(tag, ",")
		}
		out = append(out, field{f, name, strings.Contains(options, "omit"), rules})
	}
	return out
}

// argument is the value of a rule such as max=100.
func (f field) argument(rule string) (string, bool) {
	for _, r := range f.rules {
		if name, value, _ := strings.Cut(r, "="); name == rule {
			return value, true
		}
	}
	return "", false
}

// schemas collects the named types of the document.
type schemas struct {
	named map[string]any
	types map[string]reflect.Type
}

func newSchemas() *schemas {
	return &schemas{named: map[string]any{}, types: map[string]reflect.Type{}}
}

// of returns the schema of a type of an answer, by reference if it has a name.
func (s *schemas) of(t reflect.Type) (any, error) {
	if plain, found := plainSchema(t); found {
		return plain, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice, reflect.Array:
		items, err := s.of(t.Elem())
		return object{"type": "array", "items": items}, err
	case reflect.Map:
		values, err := s.of(t.Elem())
		return object{"type": "object", "additionalProperties": values}, err
	case reflect.Struct:
		return s.reference(t)
	}
	return nil, fmt.Errorf("admin API: no schema for %s", t)
}

// reference describes a struct once, and points to it.
func (s *schemas) reference(t reflect.Type) (any, error) {
	name := []rune(t.Name())
	if len(name) == 0 {
		return s.structure(t)
	}
	name[0] = unicode.ToUpper(name[0])
	key := string(name)
	if known, taken := s.types[key]; taken && known != t {
		return nil, fmt.Errorf("admin API: %s and %s would have one name in the document", known, t)
	}
	ref := object{"$ref": "#/components/schemas/" + key}
	if s.types[key] != nil {
		return ref, nil
	}
	s.types[key] = t
	described, err := s.structure(t)
	s.named[key] = described
	return ref, err
}

func (s *schemas) structure(t reflect.Type) (any, error) {
	properties, required := object{}, []string{}
	for _, f := range fieldsOf(t) {
		if f.Type == reflect.TypeFor[controlplane.Secret]() {
			return nil, fmt.Errorf("admin API: %s would show a secret", t)
		}
		schema, err := s.of(f.Type)
		if err != nil {
			return nil, err
		}
		if properties[f.name] = schema; !f.optional {
			required = append(required, f.name)
		}
	}
	return objectSchema(properties, required), nil
}

func objectSchema(properties object, required []string) object {
	out := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		slices.Sort(required)
		out["required"] = required
	}
	return out
}

// plainSchema knows the types that are written as one value.
func plainSchema(t reflect.Type) (object, bool) {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}, true
	case reflect.TypeFor[time.Duration]():
		return object{"type": "integer", "description": "nanoseconds"}, true
	case reflect.TypeFor[netip.Addr]():
		return object{"type": "string", "description": "an IP address"}, true
	case reflect.TypeFor[netip.Prefix]():
		return object{"type": "string", "description": "an IP range in CIDR form"}, true
	case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any]():
		return object{}, true
	case reflect.TypeFor[[]byte]():
		return object{"type": "string", "contentEncoding": "base64"}, true
	}
	if values := namedValues()[t]; values != nil {
		return object{"type": "string", "enum": values}, true
	}
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) || t.Kind() == reflect.String {
		return object{"type": "string"}, true
	}
	return kindSchema(t.Kind())
}

func kindSchema(k reflect.Kind) (object, bool) {
	switch k {
	case reflect.Bool:
		return object{"type": "boolean"}, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return object{"type": "integer", "format": "int64"}, true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}, true
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}, true
	}
	return nil, false
}

// namedValues are the closed sets.
func namedValues() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[controlplane.Environment]():           {"live", "test"},
		reflect.TypeFor[controlplane.MerchantState]():         {"active", "suspended"},
		reflect.TypeFor[controlplane.KeyState]():              {"active", "retiring", "revoked"},
		reflect.TypeFor[controlplane.AllowlistAction]():       {"add", "remove"},
		reflect.TypeFor[controlplane.AllowlistRequestState](): {"pending", "approved", "rejected", "withdrawn"},
		reflect.TypeFor[controlplane.ApprovalState]():         {"pending", "approved", "rejected", "withdrawn", "expired"},
		reflect.TypeFor[controlplane.Outcome]():               {"ok", "denied", "failed"},
		reflect.TypeFor[controlplane.ActorKind]():             {"user", "staff", "local", "system"},
		reflect.TypeFor[controlplane.Code](): {
			"INVALID", "NOT_FOUND", "CONFLICT", "PERMISSION_DENIED", "SUDO_REQUIRED", "UNAUTHENTICATED", "APPROVAL_PENDING",
			"MERCHANT_SUSPENDED", "LIMIT_REACHED", "UNAVAILABLE", "INTERNAL",
		},
	}
}

// input returns the schema of a member of an input, with its rules, and whether it
// must be there.
func (s *schemas) input(f field) (schema any, required bool, err error) {
	plain, found := plainSchema(f.Type)
	if !found {
		if schema, err = s.of(f.Type); err != nil {
			return nil, false, err
		}
		return schema, slices.Contains(f.rules, "required"), nil
	}
	plain = maps.Clone(plain)
	for _, r := range f.rules {
		name, value, _ := strings.Cut(r, "=")
		if name == "required" {
			required = true
			continue
		}
		extra, known := ruleSchema(name, value, plain["type"] == "string")
		if !known {
			return nil, false, fmt.Errorf("admin API: the document cannot say the rule %q of %s", r, f.name)
		}
		maps.Copy(plain, extra)
	}
	if required && plain["type"] == "string" && plain["minLength"] == nil && plain["enum"] == nil && plain["pattern"] == nil {
		plain["minLength"] = 1
	}
	return plain, required, nil
}

// choices are the values of a oneof rule, as texts or as whole numbers.
func choices(value string, text bool) (out []any) {
	for _, one := range strings.Fields(value) {
		if n, err := strconv.Atoi(one); err == nil && !text {
			out = append(out, n)
		} else {
			out = append(out, one)
		}
	}
	return out
}

// ruleSchema says a validate tag in JSON Schema. Those that JSON Schema cannot say
// are known and say nothing.
func ruleSchema(name, value string, text bool) (object, bool) {
	switch name {
	case "omitempty", "mailable", "required_without", "excluded_with":
		return nil, true
	case "min", "max":
		n, err := strconv.Atoi(value)
		key := map[string]string{"min": "minimum", "max": "maximum"}[name]
		if text {
			key = name + "Length"
		}
		return object{key: n}, err == nil
	case "oneof":
		return object{"enum": choices(value, text)}, true
	case "email":
		return object{"format": "email"}, true
	case "note":
		return object{"minLength": 1, "maxLength": 200}, true
	case "merchant_name":
		return object{"minLength": 2, "maxLength": 100}, true
	case "username":
		return object{"pattern": "^[A-Za-z0-9][A-Za-z0-9._@+-]{2,63}$"}, true
	case "env":
		return object{"enum": []string{"live", "test"}}, true
	case "platform_role":
		return object{"enum": []string{"platform_admin", "platform_operator", "auditor"}}, true
	case "merchant_role":
		return object{"enum": []string{"owner", "admin", "operator", "viewer"}}, true
	}
	return nil, false
}
