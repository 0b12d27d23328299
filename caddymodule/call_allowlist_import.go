package caddymodule

import (
	"context"
	"fmt"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

type importInput struct {
	controlplane.ImportAllowlist
	// DryRun says what the list would do, and changes nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

type imported struct {
	controlplane.ImportedAllowlist
	DryRun bool `json:"dry_run"`
	applied
}

func importCall(ctx context.Context, n callNode, a controlplane.Actor, in importInput) (imported, error) {
	do := n.service.ImportAllowlist
	if in.DryRun {
		do = n.service.PreviewAllowlistImport
	}
	out, err := do(ctx, a, in.ImportAllowlist)
	if err != nil {
		return imported{}, wrongLines(ctx, n, a, in, err)
	}
	out.Lines = nonNil(out.Lines)
	return imported{out, in.DryRun, settle(ctx, n)}, nil
}

// wrongLines says of each line what is wrong with it, where the operation says how
// many are: a program cannot look at a preview.
func wrongLines(ctx context.Context, n callNode, a controlplane.Actor, in importInput, cause error) error {
	if controlplane.CodeOf(cause) != controlplane.CodeInvalid {
		return cause
	}
	look, err := n.service.PreviewAllowlistImport(ctx, a, in.ImportAllowlist)
	if err != nil || look.Wrong == 0 {
		return cause
	}
	e := &controlplane.Error{Code: controlplane.CodeInvalid, Message: fmt.Sprintf("nothing was added: lines to put right: %d", look.Wrong)}
	for _, l := range look.Lines {
		if l.Problem != nil {
			e.Fields = append(e.Fields, controlplane.FieldError{Field: "text", Message: fmt.Sprintf("line %d: %s %s", l.Number, l.Problem.Field, l.Problem.Message)})
		}
	}
	return e
}
