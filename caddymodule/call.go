package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// callNode is an open node and how it is configured.
type callNode struct {
	*node
	config nodeConfig
}

// call is one operation as the operator reaches it: by the admin socket, or in
// process by a command that found no server running. Both take the same JSON.
type call struct {
	name controlplane.Operation
	// input and output are what goes in and comes out, as JSON objects.
	input, output reflect.Type
	// prepare reads the input, and touches nothing.
	prepare func(input []byte) (preparedCall, error)
}

// preparedCall does the work. What it returns marshals to a JSON object.
type preparedCall func(ctx context.Context, n callNode, a controlplane.Actor) (any, error)

// calls is everything an operator can ask for.
func calls() []call {
	var all []call
	for _, group := range [][]call{
		merchantCalls(), userCalls(), keyCalls(), allowlistCalls(), auditCalls(), keyringCalls(), systemCalls(),
		serviceTokenCalls(), staffCalls(), staffTokenCalls(), approvalCalls(), requestCalls(), endpointCalls(), eventCalls(), deliveryCalls(),
	} {
		all = append(all, group...)
	}
	return all
}

func findCall(name string) (call, bool) {
	for _, c := range calls() {
		if string(c.name) == name {
			return c, true
		}
	}
	return call{}, false
}

// newCall gives a typed function the shape of the table.
func newCall[In, Out any](name controlplane.Operation, do func(context.Context, callNode, controlplane.Actor, In) (Out, error)) call {
	return call{name, reflect.TypeFor[In](), reflect.TypeFor[Out](), func(input []byte) (preparedCall, error) {
		var in In
		if err := decodeStrict(input, &in); err != nil {
			return nil, err
		}
		return func(ctx context.Context, n callNode, a controlplane.Actor) (any, error) {
			return do(ctx, n, a, in)
		}, nil
	}}
}

// decodeStrict reads one JSON object and refuses what it does not know: a field
// that is silently ignored is a wish that silently does not come true.
func decodeStrict(input []byte, into any) error {
	input = bytes.TrimLeft(input, " \t\r\n")
	if len(input) == 0 || input[0] != '{' {
		return controlplane.Errorf(controlplane.CodeInvalid, "the input is not a JSON object; send {} if there is nothing to say")
	}
	d := json.NewDecoder(bytes.NewReader(input))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &controlplane.Error{Code: controlplane.CodeInvalid, Message: "the input does not fit: " + err.Error()}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return controlplane.Errorf(controlplane.CodeInvalid, "there is something behind the JSON object")
	}
	return nil
}

// enforceWait is how long a change waits for the gateway of this process to
// decide by it. It usually takes a hundredth of that.
const enforceWait = time.Second

// applied says whether requests are decided by a change already.
type applied struct {
	Revision int64 `json:"revision"`
	// Enforced is false when no gateway runs in this process, or when it took
	// longer than a second.
	Enforced bool `json:"enforced"`
}

// settle waits for the gateway after a change that it must know of. The change is
// done: nothing that goes wrong here may look like a failure of it.
func settle(ctx context.Context, n callNode) applied {
	var out applied
	err := n.db.View(ctx, func(tx controlplane.Tx) (err error) {
		out.Revision, err = tx.Revision(ctx)
		return err
	})
	if err != nil || n.follower == nil {
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, enforceWait)
	defer cancel()
	out.Enforced = n.follower.WaitRevision(ctx, out.Revision) == nil
	return out
}
