package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const about = `The platform team's operations, for programs that act with a staff token.

A program has the rights of the member of staff whose token it holds. Ids name
things; an unknown id answers 404. Listings are cut into pages: next, in an answer
that was cut, is what to send as after (or before) to go on. Times are RFC 3339 in
UTC. A change to what gateways know says in enforced whether the gateway of the
server that answers decides by it already.

Every error is a problem (RFC 9457) with one code of a closed set.`

// describe makes the OpenAPI document of the routes: of their addresses, and of the
// types and rules of the operations behind them.
func (a *api) describe(rows []Route) ([]byte, error) {
	s := newSchemas()
	problem, err := s.of(reflect.TypeFor[Problem]())
	if err != nil {
		return nil, err
	}
	paths := object{DocumentPath: documentPath()}
	for _, r := range rows {
		call, found := a.calls[r.Operation]
		if !found {
			return nil, fmt.Errorf("admin API: nothing carries out %s", r.Operation)
		}
		described, err := s.route(r, call)
		if err != nil {
			return nil, err
		}
		at, _ := paths[r.Path].(object)
		if at == nil {
			at = object{}
			paths[r.Path] = at
		}
		at[strings.ToLower(r.Method)] = described
	}
	return json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Merchant gateway: admin API", "version": "1", "description": about,
			"license": object{"name": "As the program's own; see LICENSE", "identifier": "LicenseRef-Program"},
		},
		"servers":  []object{{"url": "/", "description": "The console's host"}},
		"security": []object{{"staffToken": []string{}}},
		"paths":    paths,
		"components": object{
			"schemas": s.named,
			"responses": object{"Problem": object{
				"description": "What went wrong, and what to do about it",
				"content":     object{problemMedia: object{"schema": problem}},
			}},
			"securitySchemes": object{"staffToken": object{
				"type": "http", "scheme": "bearer", "description": "A staff token: unks_staff_ and 38 letters or digits",
			}},
		},
	}, "", "  ")
}

// documentPath is the document's own entry: it needs no token.
func documentPath() object {
	return object{"get": object{
		"operationId": "openapi", "summary": "This document", "tags": []string{"document"}, "security": []object{},
		"responses": object{
			"200": object{"description": "An OpenAPI 3.1 document", "content": object{"application/json": object{"schema": object{"type": "object"}}}},
			"4XX": object{"$ref": "#/components/responses/Problem"},
		},
	}}
}

func (s *schemas) route(r Route, call Call) (object, error) {
	answer, err := s.of(call.Output)
	if err != nil {
		return nil, err
	}
	status := "200"
	if r.Creates {
		status = "201"
	}
	p := permissionOf(r.Operation)
	out := object{
		"operationId": r.id(), "summary": r.Summary, "description": description(r, p), "tags": []string{r.tag()},
		"responses": object{
			status: object{"description": "Done", "content": object{"application/json": object{"schema": answer}}},
			"4XX":  object{"$ref": "#/components/responses/Problem"},
			"5XX":  object{"$ref": "#/components/responses/Problem"},
		},
		"x-roles": staffRoles(p), "x-confirmed": p.Sudo,
	}
	if err := s.addInput(out, r, call.Input); err != nil {
		return nil, err
	}
	if mayWait(r.Operation) {
		out["responses"].(object)["202"] = object{"$ref": "#/components/responses/Problem"}
		parameters, _ := out["parameters"].([]object)
		out["parameters"] = append(parameters, object{
			"name": BreakGlassHeader, "in": "header", "description": "Why the change must not wait for another platform admin's approval",
			"schema": object{"type": "string", "minLength": 1, "maxLength": 200},
		})
	}
	return out, nil
}

// mayWait reports whether another platform admin may have to approve a change, which
// is then answered with 202: it is not made yet.
func mayWait(op controlplane.Operation) bool {
	return slices.Contains([]controlplane.Operation{
		controlplane.OpAllowlistAdd, controlplane.OpAllowlistImport, controlplane.OpAllowlistRemove, controlplane.OpAllowlistApprove,
		controlplane.OpUserCreate, controlplane.OpUserRole, controlplane.OpUserResetSecondFactor,
		controlplane.OpStaffCreate, controlplane.OpStaffDisable, controlplane.OpStaffEnable, controlplane.OpStaffRole, controlplane.OpStaffResetSecondFactor,
	}, op)
}

// description says what the types cannot.
func description(r Route, p controlplane.Permission) string {
	text := "For " + strings.Join(staffRoles(p), ", ") + "."
	if p.Sudo {
		text += " Needs a confirmed token."
	}
	return text + " " + string(r.Repeat)
}

func permissionOf(op controlplane.Operation) controlplane.Permission {
	for _, p := range controlplane.Permissions() {
		if p.Operation == op {
			return p
		}
	}
	return controlplane.Permission{}
}

func staffRoles(p controlplane.Permission) []string {
	roles := []string{}
	for _, r := range []controlplane.Role{controlplane.RolePlatformAdmin, controlplane.RolePlatformOperator, controlplane.RoleAuditor} {
		if p.Allows(r) {
			roles = append(roles, string(r))
		}
	}
	return roles
}

// addInput describes what goes in: wildcards, and the rest as query or body.
func (s *schemas) addInput(out object, r Route, in reflect.Type) error {
	parameters, properties, required := []object{}, object{}, []string{}
	for _, f := range fieldsOf(in) {
		inPath := slices.Contains(r.wildcards(), f.name)
		schema, must, err := s.input(f)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Operation, err)
		}
		must, left := f.either(r, in, must)
		switch {
		case inPath:
			parameters = append(parameters, object{"name": f.name, "in": "path", "required": true, "schema": schema})
		case left:
		case !r.hasBody():
			parameters = append(parameters, object{"name": f.name, "in": "query", "required": must, "schema": schema})
		default:
			if properties[f.name] = schema; must {
				required = append(required, f.name)
			}
		}
	}
	if len(parameters) > 0 {
		out["parameters"] = parameters
	}
	if r.hasBody() && len(properties) > 0 {
		body := objectSchema(properties, required)
		body["additionalProperties"] = false
		out["requestBody"] = object{"required": len(required) > 0, "content": object{"application/json": object{"schema": body}}}
	}
	return nil
}

// either is for a member that is there instead of another: with that in the path it
// is left out, and without it, it must be there.
func (f field) either(r Route, in reflect.Type, must bool) (required, left bool) {
	if _, alternative := f.argument("required_without"); alternative {
		return false, true // where it is not in the path, the other one is the query
	}
	other, alternative := f.argument("excluded_with")
	if !alternative {
		return must, false
	}
	inPath := slices.ContainsFunc(fieldsOf(in), func(o field) bool { return o.Name == other && slices.Contains(r.wildcards(), o.name) })
	return !inPath, inPath
}
