package caddymodule

import (
	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func merchantCommand() *cobra.Command {
	return commandGroup("merchant", "Creates, renames, suspends and lists merchants",
		merchantCreateCommand(), merchantListCommand(), merchantShowCommand(), merchantRenameCommand(),
		merchantStateCommand("suspend", controlplane.OpMerchantSuspend, "Refuses every key of a merchant from now on",
			`Refuses every key of a merchant from now on, with MERCHANT_SUSPENDED, and makes
the portal read-only for its users. Nothing is deleted; 'resume' undoes it.`),
		merchantStateCommand("resume", controlplane.OpMerchantResume, "Lets a suspended merchant's keys work again",
			`Lets the keys of a suspended merchant work again.`))
}

func merchantCreateCommand() *cobra.Command {
	var in controlplane.CreateMerchant
	cmd := &cobra.Command{
		Use: "create --name <name>", Short: "Creates a merchant",
		Long: `Creates an active merchant without users, keys or allowlist. Until an address is
in its allowlist, every request of the merchant is refused.`,
		Example: `  $ caddy merchants merchant create --name "Blue Bottle Books"`,
	}
	cmd.Flags().StringVar(&in.Name, "name", "", "What people call the merchant, 2 to 100 characters")
	return leaf(cmd, []string{"name"}, func(s *session) error {
		return do(s, controlplane.OpMerchantCreate, in, showMerchant)
	})
}

func merchantRenameCommand() *cobra.Command {
	var in controlplane.RenameMerchant
	cmd := &cobra.Command{
		Use: "rename --merchant <id> --name <name>", Short: "Changes what people call a merchant",
		Long:    `Changes what people call a merchant. Its id, keys and allowlist stay.`,
		Example: `  $ caddy merchants merchant rename --merchant mer_… --name "Blue Bottle Books Ltd"`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&in.Name, "name", "", "The new name, 2 to 100 characters")
	return leaf(cmd, []string{"merchant", "name"}, func(s *session) error {
		return do(s, controlplane.OpMerchantRename, in, showMerchant)
	})
}

func merchantStateCommand(verb string, name controlplane.Operation, short, long string) *cobra.Command {
	var in merchantRef
	cmd := &cobra.Command{
		Use: verb + " --merchant <id>", Short: short, Long: long,
		Example: "  $ caddy merchants merchant " + verb + " --merchant mer_…",
	}
	merchantFlag(cmd, &in.MerchantID)
	return leaf(cmd, []string{"merchant"}, func(s *session) error { return do(s, name, in, showMerchant) })
}

func merchantShowCommand() *cobra.Command {
	var in merchantRef
	cmd := &cobra.Command{
		Use: "show --merchant <id>", Short: "Shows a merchant",
		Long:    `Shows a merchant.`,
		Example: `  $ caddy merchants merchant show --merchant mer_…`,
	}
	merchantFlag(cmd, &in.MerchantID)
	return leaf(cmd, []string{"merchant"}, func(s *session) error {
		return do(s, controlplane.OpMerchantView, in, func(p *printer, out merchantView) {
			showMerchantRows(p, out.Merchant)
			p.row("Created", when(out.Merchant.CreatedAt))
		})
	})
}

func merchantListCommand() *cobra.Command {
	var in controlplane.MerchantFilter
	var state string
	cmd := &cobra.Command{
		Use: "list [--search <text>] [--state <state>]", Short: "Lists merchants",
		Long: `Lists merchants, the oldest first.`,
		Example: `  $ caddy merchants merchant list
  $ caddy merchants merchant list --search books --state suspended`,
	}
	cmd.Flags().StringVar(&in.Search, "search", "", "Part of the name, or the whole id")
	cmd.Flags().StringVar(&state, "state", "", "Only those that are active or suspended")
	pageFlags(cmd, &in.Page)
	return leaf(cmd, nil, func(s *session) error {
		in.State = controlplane.MerchantState(state)
		return do(s, controlplane.OpMerchantList, in, showMerchants)
	})
}

func merchantFlag(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVarP(id, "merchant", "m", "", "Id of the merchant (mer_…)")
}

func pageFlags(cmd *cobra.Command, p *controlplane.Page) {
	cmd.Flags().StringVar(&p.After, "after", "", "Go on behind this id")
	cmd.Flags().IntVar(&p.Limit, "limit", 0, "Rows to list, 1 to 1000 (default 100)")
}

func showMerchant(p *printer, out merchantChanged) {
	showMerchantRows(p, out.Merchant)
	p.applied(out.applied)
}

func showMerchantRows(p *printer, m controlplane.Merchant) {
	p.row("Merchant", m.ID)
	p.row("Name", m.Name)
	p.row("State", string(m.State))
}

func showMerchants(p *printer, out merchantList) {
	p.row("ID", "NAME", "STATE", "CREATED")
	for _, m := range out.Merchants {
		p.row(m.ID, m.Name, string(m.State), when(m.CreatedAt))
	}
	p.more("--after", out.Next)
}
