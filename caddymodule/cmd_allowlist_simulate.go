package caddymodule

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func allowlistSimulateCommand() *cobra.Command {
	var in controlplane.SimulateAllowlist
	cmd := &cobra.Command{
		Use: "simulate --merchant <id> [--remove <entry>]... [--add <range>]...", Short: "Tries a change on the last day's requests",
		Long: `Says what a change of the allowlist would have done to the requests of the last 24
hours, by the gateway's own matching. It changes nothing.`,
		Example: `  $ caddy merchants allowlist simulate --merchant mer_… --remove ipa_… --add 198.51.100.0/28`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringArrayVar(&in.Remove, "remove", nil, "Without this entry (ipa_…); may be repeated")
	cmd.Flags().StringArrayVar(&in.Add, "add", nil, "With this address or range; may be repeated")
	return leaf(cmd, []string{"merchant"}, func(s *session) error {
		return do(s, controlplane.OpAllowlistSimulate, in, showSimulation)
	})
}

func showSimulation(p *printer, out controlplane.AllowlistSimulation) {
	p.row("Since", when(out.Since))
	p.row("Entries", strconv.Itoa(out.Entries))
	p.row("Accepted requests", fmt.Sprintf("%d live, %d test", out.Live, out.Test))
	p.row("Would be refused", strconv.FormatInt(out.Breaks(), 10))
	if out.Unknown > 0 {
		p.row("Not told apart", strconv.FormatInt(out.Unknown, 10))
	}
	if len(out.Refused)+len(out.Admitted) == 0 {
		return
	}
	p.row("")
	p.row("ADDRESS", "WOULD BE", "LIVE", "TEST", "LAST HOUR")
	rows := func(would string, all []controlplane.SimulatedAddress) {
		for _, a := range all {
			p.row(a.IP.String(), would, strconv.FormatInt(a.Live, 10), strconv.FormatInt(a.Test, 10), when(a.LastHour))
		}
	}
	rows("refused", out.Refused)
	rows("let in", out.Admitted)
}
