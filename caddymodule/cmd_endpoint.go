package caddymodule

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func endpointCommand() *cobra.Command {
	return commandGroup("endpoint", "Creates and lists the endpoints that events are sent to", endpointCreateCommand(), endpointListCommand(), endpointShowCommand())
}

func endpointCreateCommand() *cobra.Command {
	var in controlplane.CreateEndpoint
	var env string
	var types []string
	cmd := &cobra.Command{
		Use: "create --merchant <id> --env <live|test> --url <url> [--type <type>]...", Short: "Creates an endpoint",
		Long: `Creates an endpoint, to which a merchant's events of one environment are sent, and
prints its signing secret, once. The server that delivers has to run: it decides
which URLs events may be sent to.`,
		Example: `  $ caddy merchants endpoint create --merchant mer_… --env test --url https://shop.example.com/webhooks
  $ caddy merchants endpoint create --merchant mer_… --env live --url https://shop.example.com/webhooks --type deposit.success --type deposit.expired`,
	}
	merchantFlag(cmd, &in.MerchantID)
	envFlag(cmd, &env)
	cmd.Flags().StringVar(&in.URL, "url", "", "Where the events are sent: https://…")
	cmd.Flags().StringArrayVar(&types, "type", nil, "Only events of this type; may be repeated (default: all, future ones too)")
	cmd.Flags().StringVar(&in.Description, "description", "", "What it is for, up to 200 characters")
	return localLeaf(cmd, []string{"merchant", "env", "url"}, func(s *session) error {
		in.Environment = controlplane.Environment(env)
		for _, t := range types {
			in.Events = append(in.Events, controlplane.EventType(t))
		}
		return doOnce(s, "secret", controlplane.OpEndpointCreate, in, showCreatedEndpoint)
	})
}

func endpointListCommand() *cobra.Command {
	var in controlplane.EndpointFilter
	var env string
	cmd := &cobra.Command{
		Use: "list --merchant <id> [--env <live|test>]", Short: "Lists the endpoints of a merchant",
		Long: `Lists the endpoints of a merchant, the oldest first, and how they have been doing
for the last 24 hours. HELD is how many deliveries wait until the endpoint is
enabled and they are replayed.`,
		Example: `  $ caddy merchants endpoint list --merchant mer_…
  $ caddy merchants endpoint list --merchant mer_… --env live --json`,
	}
	merchantFlag(cmd, &in.MerchantID)
	envFlag(cmd, &env)
	return leaf(cmd, []string{"merchant"}, func(s *session) error {
		in.Environment = controlplane.Environment(env)
		return do(s, controlplane.OpEndpointList, in, showEndpoints)
	})
}

func endpointShowCommand() *cobra.Command {
	var in controlplane.EndpointRef
	cmd := &cobra.Command{
		Use: "show --merchant <id> --endpoint <id>", Short: "Shows an endpoint",
		Long: `Shows an endpoint and how it has been doing for the last 24 hours. With --json the
last seven days are there too, hour by hour.`,
		Example: `  $ caddy merchants endpoint show --merchant mer_… --endpoint wep_…`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&in.EndpointID, "endpoint", "", "Id of the endpoint (wep_…)")
	return leaf(cmd, []string{"merchant", "endpoint"}, func(s *session) error {
		return do(s, controlplane.OpEndpointView, in, func(p *printer, out controlplane.EndpointDetail) {
			showEndpointRows(p, out.Endpoint)
			rate, p95 := dayOf(out.EndpointView)
			p.row("Last 24 hours", rate+" succeeded, 95% within "+p95)
			p.row("Last success", when(out.Condition.LastSuccessAt))
			p.row("Held", strconv.FormatInt(out.Held, 10))
		})
	})
}

func showCreatedEndpoint(p *printer, out createdEndpoint) {
	showEndpointRows(p, out.Endpoint)
	p.row("Secret", out.Secret)
}

func showEndpointRows(p *printer, e controlplane.Endpoint) {
	p.row("Endpoint", e.ID)
	p.row("Merchant", e.MerchantID)
	p.row("Environment", string(e.Environment))
	p.row("URL", e.URL)
	p.row("Types", eventTypes(e))
	p.row("State", endpointState(e))
}

func showEndpoints(p *printer, out endpointList) {
	p.row("ID", "ENV", "STATE", "TYPES", "SUCCESS", "P95", "HELD", "LAST SUCCESS", "URL")
	for _, e := range out.Endpoints {
		rate, p95 := dayOf(e)
		p.row(e.ID, string(e.Environment), endpointState(e.Endpoint), eventTypes(e.Endpoint), rate, p95, strconv.FormatInt(e.Held, 10), when(e.Condition.LastSuccessAt), e.URL)
	}
}

// dayOf is how an endpoint did in the last 24 hours.
func dayOf(e controlplane.EndpointView) (rate, p95 string) {
	rate, p95 = "-", "-"
	if e.Day.Succeeded+e.Day.Failed > 0 {
		rate = fmt.Sprintf("%.1f%%", 100*e.Day.SuccessRate())
	}
	if e.Day.Succeeded > 0 {
		p95 = e.Day.P95.String()
	}
	return rate, p95
}

func endpointState(e controlplane.Endpoint) string {
	if e.DisabledReason == "" {
		return string(e.State)
	}
	return string(e.State) + " (" + string(e.DisabledReason) + ")"
}

func eventTypes(e controlplane.Endpoint) string {
	if len(e.Events) == 0 {
		return "all"
	}
	var names []string
	for _, t := range e.Events {
		names = append(names, string(t))
	}
	return strings.Join(names, ",")
}
