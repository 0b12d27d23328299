package caddymodule

import (
	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func approvalCommand() *cobra.Command {
	return commandGroup("approval", "Decides changes that take two people",
		approvalListCommand(), approvalShowCommand(), approvalApproveCommand(), approvalRejectCommand(), approvalWithdrawCommand())
}

func approvalListCommand() *cobra.Command {
	var in controlplane.ApprovalFilter
	var state, since string
	cmd := &cobra.Command{
		Use: "list [--state <state>] [--merchant <id>] [--since <time>] [--break-glass]", Short: "Lists changes that take two",
		Long: `Lists changes that wait for a second person, those that were decided, and those
that did not wait, the newest first. A change is pending, approved, rejected,
withdrawn, or after seven days expired.`,
		Example: `  $ caddy merchants approval list --state pending
  $ caddy merchants approval list --break-glass --since 2026-01-31`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&state, "state", "", "Only those that are pending, approved, rejected or withdrawn")
	cmd.Flags().StringVar(&since, "since", "", "Only from this time on: 2026-01-31 or 2026-01-31T15:04:05Z")
	cmd.Flags().BoolVar(&in.BreakGlass, "break-glass", false, "Only those that did not wait")
	pageFlags(cmd, &in.Page)
	return leaf(cmd, nil, func(s *session) (err error) {
		in.State = controlplane.ApprovalState(state)
		if in.Since, err = parseTime("since", since); err != nil {
			return err
		}
		return do(s, controlplane.OpApprovalList, in, showApprovals)
	})
}

func approvalShowCommand() *cobra.Command {
	var in approvalRef
	cmd := &cobra.Command{
		Use: "show --approval <id>", Short: "Shows what a change would do",
		Long:    `Shows who asked for a change, what it would do, and what became of it.`,
		Example: `  $ caddy merchants approval show --approval apr_…`,
	}
	approvalFlag(cmd, &in.ApprovalID)
	return leaf(cmd, []string{"approval"}, func(s *session) error {
		return do(s, controlplane.OpApprovalView, in, showApproval)
	})
}

func approvalApproveCommand() *cobra.Command {
	var in approvalRef
	cmd := &cobra.Command{
		Use: "approve --approval <id>", Short: "Carries out what somebody else asked for",
		Long: `Carries out a change that somebody else asked for. Look at it before, with 'show'.
If it makes an account, the generated password is printed, once.

With --server it takes a confirmed token of a platform admin who neither asked
for the change nor is the one whose account it changes. On the machine itself it
is the operator who approves: the audit trail has the account of the machine.`,
		Example: `  $ caddy merchants approval approve --approval apr_…
  $ caddy merchants approval approve --approval apr_… --server https://console.example.com --token-file token`,
	}
	approvalFlag(cmd, &in.ApprovalID)
	return leaf(cmd, []string{"approval"}, func(s *session) error {
		out, err := ask(s, controlplane.OpApprovalApprove, in, func(p *printer, out approvalDone) {
			showApproval(p, approvalView{out.Approval})
			if out.Account != nil {
				showNewAccount(p, *out.Account)
			}
			p.applied(out.applied)
		})
		if err == nil && out.Account != nil {
			s.note(storeNow, "password")
		}
		return err
	})
}

func approvalRejectCommand() *cobra.Command {
	var in controlplane.DecideApproval
	cmd := &cobra.Command{
		Use: "reject --approval <id> --answer <text>", Short: "Turns a change down",
		Long:    `Turns a change down, and tells who asked for it why.`,
		Example: `  $ caddy merchants approval reject --approval apr_… --answer "a /8 is too wide"`,
	}
	approvalFlag(cmd, &in.ApprovalID)
	cmd.Flags().StringVar(&in.Answer, "answer", "", "Why, or what to ask for instead")
	return leaf(cmd, []string{"approval", "answer"}, func(s *session) error {
		return do(s, controlplane.OpApprovalReject, in, showApproval)
	})
}

func approvalWithdrawCommand() *cobra.Command {
	var in approvalRef
	cmd := &cobra.Command{
		Use: "withdraw --approval <id>", Short: "Takes a change back",
		Long:    `Takes a change back that nobody has decided. Only who asked for it may.`,
		Example: `  $ caddy merchants approval withdraw --approval apr_…`,
	}
	approvalFlag(cmd, &in.ApprovalID)
	return leaf(cmd, []string{"approval"}, func(s *session) error {
		return do(s, controlplane.OpApprovalWithdraw, in, showApproval)
	})
}

func approvalFlag(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVar(id, "approval", "", "Id of the approval (apr_…)")
}

func showApprovals(p *printer, out approvalList) {
	p.row("ID", "STATE", "CHANGE", "MERCHANT", "ASKED BY", "ASKED", "EXPIRES", "DECIDED BY")
	for _, q := range out.Approvals {
		p.row(q.ID, approvalState(q), string(q.Operation), orDash(q.MerchantID), q.CreatedBy, when(q.CreatedAt), when(q.ExpiresAt), orDash(q.DecidedBy))
	}
	p.more("--after", out.Next)
}

func approvalState(q controlplane.Approval) string {
	if q.BreakGlass {
		return "did not wait"
	}
	return string(q.State)
}

func showApproval(p *printer, out approvalView) {
	q := out.Approval
	p.row("Approval", q.ID)
	p.row("State", approvalState(q))
	p.row("Change", string(q.Operation))
	if q.MerchantID != "" {
		p.row("Merchant", q.MerchantID)
	}
	if text := changeText(q.Diff); text != "" {
		p.row("In detail", text)
	}
	p.row("Asked by", q.CreatedBy+", "+when(q.CreatedAt))
	switch {
	case q.State == controlplane.ApprovalPending:
		p.row("Expires", when(q.ExpiresAt))
	case q.DecidedBy != "":
		p.row("Decided by", q.DecidedBy+", "+when(q.DecidedAt))
	}
	if q.Answer != "" {
		p.row("Answer", q.Answer)
	}
	if q.Reason != "" {
		p.row("Reason", q.Reason)
	}
}
