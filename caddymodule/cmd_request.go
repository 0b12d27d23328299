package caddymodule

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func requestCommand() *cobra.Command {
	return commandGroup("request", "Says what the gateway made of requests, and why",
		requestListCommand(), requestShowCommand(), requestCountCommand(), requestUnknownCommand())
}

func requestListCommand() *cobra.Command {
	var in controlplane.RequestFilter
	var env, outcome, since, until, ip string
	cmd := &cobra.Command{
		Use: "list --merchant <id> --env <live|test> [--outcome <outcome>] [--code <code>] [--ip <address>] ...", Short: "Lists logged requests",
		Long: `Lists the requests of a merchant that were logged, the newest first: every refused
one up to a limit, and a sample of those that were accepted.`,
		Example: `  $ caddy merchants request list --merchant mer_… --env live --outcome refused
  $ caddy merchants request list --merchant mer_… --env test --code SIGNATURE_INVALID --since 2026-01-31`,
	}
	merchantFlag(cmd, &in.MerchantID)
	envFlag(cmd, &env)
	cmd.Flags().StringVar(&outcome, "outcome", "", "Only those that were accepted, refused or reported")
	cmd.Flags().StringVar(&in.Code, "code", "", "Only those with this code, such as IP_NOT_ALLOWED")
	cmd.Flags().StringVar(&in.KeyID, "key", "", "Only those with this key (unk_live_… or unk_test_…)")
	cmd.Flags().StringVar(&ip, "ip", "", "Only those from this address")
	cmd.Flags().StringVar(&in.PathPrefix, "path-prefix", "", "Only those whose path begins like this")
	cmd.Flags().StringVar(&since, "since", "", "Only from this time on: 2026-01-31 or 2026-01-31T15:04:05Z")
	cmd.Flags().StringVar(&until, "until", "", "Only before this time")
	cmd.Flags().StringVar(&in.Before, "before", "", "Go on before this request")
	cmd.Flags().IntVar(&in.Limit, "limit", 0, "Rows to list, 1 to 1000 (default 100)")
	return leaf(cmd, []string{"merchant", "env"}, func(s *session) (err error) {
		in.Environment, in.Outcome = controlplane.Environment(env), controlplane.RequestOutcome(outcome)
		if in.Since, err = parseTime("since", since); err != nil {
			return err
		}
		if in.Until, err = parseTime("until", until); err != nil {
			return err
		}
		if ip != "" {
			if in.IP, err = netip.ParseAddr(ip); err != nil {
				return controlplane.InvalidField("ip", "must be an IP address such as 198.51.100.7 or 2001:db8::1")
			}
		}
		return do(s, controlplane.OpRequestList, in, showRequests)
	})
}

func requestShowCommand() *cobra.Command {
	var in controlplane.RequestRef
	cmd := &cobra.Command{
		Use: "show --merchant <id> --request <id>", Short: "Says why a request was refused",
		Long: `Shows a logged request and what the gateway found out about it, by the id that
the caller was told.`,
		Example: `  $ caddy merchants request show --merchant mer_… --request req_…`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&in.RequestID, "request", "", "Id of the request (req_…)")
	return leaf(cmd, []string{"merchant", "request"}, func(s *session) error {
		return do(s, controlplane.OpRequestView, in, showRequest)
	})
}

func requestCountCommand() *cobra.Command {
	var in controlplane.RequestCountFilter
	var env, since string
	var minutes bool
	cmd := &cobra.Command{
		Use: "count --merchant <id> --env <live|test> [--since <time>] [--minutes]", Short: "Counts requests by outcome and code",
		Long: `Counts the requests of a merchant by outcome and code for each hour in which there
were any: all of them, also those that were not logged. They are kept for 90 days.`,
		Example: `  $ caddy merchants request count --merchant mer_… --env live --since 2026-01-31`,
	}
	merchantFlag(cmd, &in.MerchantID)
	envFlag(cmd, &env)
	cmd.Flags().StringVar(&since, "since", "", "From this time on: 2026-01-31 or 2026-01-31T15:04:05Z (default: the last 24 hours)")
	cmd.Flags().BoolVar(&minutes, "minutes", false, "For each minute instead")
	return leaf(cmd, []string{"merchant", "env"}, func(s *session) (err error) {
		in.Environment, in.Span = controlplane.Environment(env), controlplane.SpanHour
		if minutes {
			in.Span = controlplane.SpanMinute
		}
		if in.Since, err = parseTime("since", since); err != nil {
			return err
		}
		if since == "" {
			in.Since = in.Span.Of(time.Now().Add(-24 * time.Hour))
		}
		return do(s, controlplane.OpRequestCount, in, showRequestCounts)
	})
}

func showRequestCounts(p *printer, out requestCounts) {
	p.row("TIME", "OUTCOME", "CODE", "REQUESTS", "NOT LOGGED")
	for _, c := range out.Counts {
		p.row(when(c.At), string(c.Outcome), c.Code, strconv.FormatInt(c.Count, 10), strconv.FormatInt(c.Unlisted, 10))
	}
}

func requestUnknownCommand() *cobra.Command {
	var in controlplane.UnknownRequests
	cmd := &cobra.Command{
		Use: "unknown", Short: "Lists what was refused without a key that is known",
		Long: `Lists the requests that were refused without a key that is known, the newest
first. Anybody may have sent them.`,
		Example: `  $ caddy merchants request unknown --limit 20`,
	}
	cmd.Flags().StringVar(&in.Before, "before", "", "Go on before this request")
	cmd.Flags().IntVar(&in.Limit, "limit", 0, "Rows to list, 1 to 1000 (default 100)")
	return leaf(cmd, nil, func(s *session) error {
		return do(s, controlplane.OpRequestUnknown, in, showRequests)
	})
}

func showRequests(p *printer, out requestList) {
	p.row("ID", "TIME", "OUTCOME", "CODE", "CAUSE", "ADDRESS", "METHOD", "PATH", "KEY")
	for _, q := range out.Requests {
		p.row(q.ID, when(q.At), string(q.Outcome), q.Code, orDash(q.Why.Cause), addressText(q.ClientIP), q.Method, q.Path, orDash(q.KeyID))
	}
	p.more("--before", out.Next)
}

func showRequest(p *printer, out requestView) {
	q := out.Request
	p.row("Request", q.ID)
	p.row("Time", when(q.At))
	p.row("Outcome", string(q.Outcome)+", "+q.Code)
	p.row("Address", addressText(q.ClientIP))
	p.row("Sent", q.Method+" "+q.Path)
	p.row("Key", orDash(q.KeyID))
	for _, fact := range [][2]string{{"Cause", q.Why.Cause}, {"Header", q.Why.Header}, {"Reason", q.Why.Reason}} {
		if fact[1] != "" {
			p.row(fact[0], fact[1])
		}
	}
	if q.Why.Signed {
		p.row("Clock", strconv.FormatInt(q.Why.Difference, 10)+" s ahead of the gateway's")
	}
}

func addressText(ip netip.Addr) string {
	if !ip.IsValid() {
		return "-"
	}
	return ip.String()
}
