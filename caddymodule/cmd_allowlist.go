package caddymodule

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func allowlistCommand() *cobra.Command {
	return commandGroup("allowlist", "Says from which addresses a merchant's requests may come",
		allowlistAddCommand(), allowlistRemoveCommand(), allowlistListCommand(), allowlistCheckCommand(),
		allowlistNoteCommand(), allowlistImportCommand(), allowlistSimulateCommand(), allowlistRequestCommand())
}

func allowlistAddCommand() *cobra.Command {
	var in controlplane.AddAllowlistEntry
	cmd := &cobra.Command{
		Use: "add --merchant <id> --cidr <range> --note <text>", Short: "Lets an address or a range in",
		Long: `Lets an address or a range use the merchant's keys, live and test. Ranges wider
than /8 (IPv4) or /16 (IPv6) are refused, and so are private and reserved ones,
unless the configuration says allow_private_ranges.`,
		Example: `  $ caddy merchants allowlist add --merchant mer_… --cidr 198.51.100.0/28 --note "their office"`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&in.CIDR, "cidr", "", "IP address, or range such as 198.51.100.0/28 or 2001:db8::/48")
	cmd.Flags().StringVar(&in.Note, "note", "", "Whose address it is, for the one who reviews the list in a year")
	return eyesLeaf(cmd, []string{"merchant", "cidr", "note"}, func(s *session) error {
		return do(s, controlplane.OpAllowlistAdd, in, showEntry)
	})
}

func allowlistRemoveCommand() *cobra.Command {
	var in controlplane.RemoveAllowlistEntry
	cmd := &cobra.Command{
		Use: "remove --merchant <id> (--cidr <range> | --entry <id>)", Short: "Takes an address or a range out",
		Long: `Takes an address or a range out, named as it is listed or by the id of its entry.
An allowlist without entries lets nobody in.`,
		Example: `  $ caddy merchants allowlist remove --merchant mer_… --cidr 198.51.100.0/28`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&in.CIDR, "cidr", "", "The range as it is listed")
	cmd.Flags().StringVar(&in.EntryID, "entry", "", "The id of the entry (ipa_…)")
	return eyesLeaf(cmd, []string{"merchant"}, func(s *session) error {
		if (in.CIDR == "") == (in.EntryID == "") {
			return errors.New("say which entry: either --cidr with its range or --entry with its id")
		}
		return do(s, controlplane.OpAllowlistRemove, in, showEntry)
	})
}

func allowlistNoteCommand() *cobra.Command {
	var in controlplane.SetAllowlistNote
	cmd := &cobra.Command{
		Use: "note --merchant <id> --entry <id> --note <text>", Short: "Says anew whose address it is",
		Long:    `Changes the note of an entry. Who gets in stays the same.`,
		Example: `  $ caddy merchants allowlist note --merchant mer_… --entry ipa_… --note "their new office"`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&in.EntryID, "entry", "", "The id of the entry (ipa_…)")
	cmd.Flags().StringVar(&in.Note, "note", "", "Whose address it is")
	return leaf(cmd, []string{"merchant", "entry", "note"}, func(s *session) error {
		return do(s, controlplane.OpAllowlistNote, in, func(p *printer, out entryView) { showEntryRows(p, out.Entry) })
	})
}

func allowlistListCommand() *cobra.Command {
	var in merchantRef
	cmd := &cobra.Command{
		Use: "list --merchant <id>", Short: "Lists the allowlist of a merchant",
		Long:    `Lists the allowlist of a merchant, the oldest entry first, with its last match.`,
		Example: `  $ caddy merchants allowlist list --merchant mer_…`,
	}
	merchantFlag(cmd, &in.MerchantID)
	return leaf(cmd, []string{"merchant"}, func(s *session) error {
		return do(s, controlplane.OpAllowlistList, in, showAllowlist)
	})
}

func allowlistCheckCommand() *cobra.Command {
	var in controlplane.CheckIP
	cmd := &cobra.Command{
		Use: "check --merchant <id> --ip <address>", Short: "Says whether an address would pass",
		Long: `Says whether a request from an address would pass the allowlist, and by which
entry. The exit status is 0 either way.`,
		Example: `  $ caddy merchants allowlist check --merchant mer_… --ip 198.51.100.7`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&in.IP, "ip", "", "The address the requests come from")
	return leaf(cmd, []string{"merchant", "ip"}, func(s *session) error {
		return do(s, controlplane.OpAllowlistCheck, in, showCheck)
	})
}

func showEntry(p *printer, out entryChanged) {
	showEntryRows(p, out.Entry)
	p.applied(out.applied)
}

func showEntryRows(p *printer, e controlplane.AllowlistEntry) {
	p.row("Entry", e.ID)
	p.row("Merchant", e.MerchantID)
	p.row("Range", e.Prefix.String())
	p.row("Note", e.Note)
}

func showAllowlist(p *printer, out allowlist) {
	p.row("ID", "RANGE", "NOTE", "ADDED", "BY", "LAST MATCH")
	for _, e := range out.Entries {
		p.row(e.ID, e.Prefix.String(), e.Note, when(e.CreatedAt), e.CreatedBy, when(e.LastMatchAt))
	}
}

func showCheck(p *printer, out controlplane.AllowlistCheck) {
	p.row("Address", out.IP.String())
	p.row("Allowed", yesNo(out.Allowed))
	if e := out.Entry; e != nil {
		p.row("Entry", e.ID+" "+e.Prefix.String()+" ("+e.Note+")")
	}
	p.row("Reason", out.Reason)
}
