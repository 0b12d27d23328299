package caddymodule

import (
	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func allowlistRequestCommand() *cobra.Command {
	return commandGroup("request", "Decides what merchants ask to have changed",
		allowlistRequestListCommand(),
		wishCommand(eyesLeaf, "approve", controlplane.OpAllowlistApprove, []string{"merchant", "request"}, "[--answer <text>]", "Carries out what a merchant asks for"),
		wishCommand(leaf, "reject", controlplane.OpAllowlistReject, []string{"merchant", "request", "answer"}, "--answer <text>", "Turns down what a merchant asks for, and tells them why"))
}

func allowlistRequestListCommand() *cobra.Command {
	var in controlplane.AllowlistRequestFilter
	var state string
	cmd := &cobra.Command{
		Use: "list [--merchant <id> [--state <state>]]", Short: "Lists what merchants ask for",
		Long: `Lists the changes that all merchants wait for, the oldest first; with --merchant,
all that this one ever asked for, the newest first.`,
		Example: `  $ caddy merchants allowlist request list
  $ caddy merchants allowlist request list --merchant mer_… --state rejected`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&state, "state", "", "Only those that are pending, approved, rejected or withdrawn; with --merchant")
	pageFlags(cmd, &in.Page)
	return leaf(cmd, nil, func(s *session) error {
		in.State = controlplane.AllowlistRequestState(state)
		if in.MerchantID != "" {
			return do(s, controlplane.OpAllowlistRequests, in, showWishes)
		}
		if state != "" {
			return controlplane.InvalidField("state", "goes with --merchant: of all merchants, only what is pending is listed")
		}
		return do(s, controlplane.OpAllowlistQueue, in.Page, showQueue)
	})
}

func wishCommand(make leafMaker, verb string, name controlplane.Operation, required []string, answer, short string) *cobra.Command {
	var in controlplane.DecideAllowlistRequest
	use := verb + " --merchant <id> --request <id> " + answer
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".",
		Example: "  $ caddy merchants allowlist request " + verb + " --merchant mer_… --request alr_… --answer \"see your mail\"",
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&in.RequestID, "request", "", "Id of the request (alr_…)")
	cmd.Flags().StringVar(&in.Answer, "answer", "", "What the merchant reads")
	return make(cmd, required, func(s *session) error { return do(s, name, in, showWish) })
}

func showWish(p *printer, out wishDecided) {
	q := out.Request
	p.row("Request", q.ID)
	p.row("Merchant", q.MerchantID)
	p.row("Wish", string(q.Action)+" "+q.Prefix.String())
	p.row("Reason", q.Reason)
	p.row("State", string(q.State))
	if q.Answer != "" {
		p.row("Answer", q.Answer)
	}
	p.applied(out.applied)
}

func showWishes(p *printer, out wishList) {
	p.row("ID", "STATE", "ACTION", "RANGE", "REASON", "ASKED", "BY", "ANSWER")
	for _, q := range out.Requests {
		p.row(q.ID, string(q.State), string(q.Action), q.Prefix.String(), q.Reason, when(q.CreatedAt), q.CreatedBy, orDash(q.Answer))
	}
	p.more("--after", out.Next)
}

func showQueue(p *printer, out wishQueue) {
	p.row("ID", "MERCHANT", "NAME", "ACTION", "RANGE", "REASON", "ASKED", "BY")
	for _, q := range out.Requests {
		p.row(q.ID, q.MerchantID, q.MerchantName, string(q.Action), q.Prefix.String(), q.Reason, when(q.CreatedAt), q.CreatedBy)
	}
	p.more("--after", out.Next)
}
