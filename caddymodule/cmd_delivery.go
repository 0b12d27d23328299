package caddymodule

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func deliveryCommand() *cobra.Command {
	return commandGroup("delivery", "Lists and replays deliveries of events", deliveryListCommand(), deliveryShowCommand(), deliveryReplayCommand())
}

func deliveryListCommand() *cobra.Command {
	var in controlplane.DeliveryFilter
	var env, kind, state, since string
	cmd := &cobra.Command{
		Use: "list --merchant <id> --env <live|test> [--state <state>] [--endpoint <id>] ...", Short: "Lists deliveries",
		Long: `Lists deliveries, the newest first: one line for each event and endpoint that it
was sent to. A delivery is held, pending, inflight, delivered, exhausted, gone or
cancelled.`,
		Example: `  $ caddy merchants delivery list --merchant mer_… --env test
  $ caddy merchants delivery list --merchant mer_… --env live --state pending --since 2026-01-31`,
	}
	merchantFlag(cmd, &in.MerchantID)
	envFlag(cmd, &env)
	cmd.Flags().StringVar(&in.EndpointID, "endpoint", "", "Only those to this endpoint (wep_…)")
	cmd.Flags().StringVar(&in.EventID, "event", "", "Only those of this event (evt_…)")
	cmd.Flags().StringVar(&kind, "type", "", "Only events of this type, such as deposit.success")
	cmd.Flags().StringVar(&state, "state", "", "Only those in this state")
	cmd.Flags().StringVar(&since, "since", "", "Only from this time on: 2026-01-31 or 2026-01-31T15:04:05Z")
	cmd.Flags().StringVar(&in.Before, "before", "", "Go on before this delivery")
	cmd.Flags().IntVar(&in.Limit, "limit", 0, "Rows to list, 1 to 1000 (default 100)")
	return leaf(cmd, []string{"merchant", "env"}, func(s *session) (err error) {
		in.Environment, in.Type, in.State = controlplane.Environment(env), controlplane.EventType(kind), controlplane.DeliveryState(state)
		if in.Since, err = parseTime("since", since); err != nil {
			return err
		}
		return do(s, controlplane.OpDeliveryList, in, showDeliveries)
	})
}

func deliveryShowCommand() *cobra.Command {
	var in controlplane.DeliveryRef
	cmd := &cobra.Command{
		Use: "show --merchant <id> --delivery <id>", Short: "Shows a delivery and its attempts",
		Long: `Shows a delivery and what became of each attempt. With --json the event's body and
the headers of the attempts are there too.`,
		Example: `  $ caddy merchants delivery show --merchant mer_… --delivery dlv_…`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&in.DeliveryID, "delivery", "", "Id of the delivery (dlv_…)")
	return leaf(cmd, []string{"merchant", "delivery"}, func(s *session) error {
		return do(s, controlplane.OpDeliveryView, in, showDelivery)
	})
}

// replayFlags are what "delivery replay" is asked for.
type replayFlags struct {
	delivery, endpoint, since string
	failed, untried, dryRun   bool
}

func deliveryReplayCommand() *cobra.Command {
	var in replayInput
	var f replayFlags
	cmd := &cobra.Command{
		Use: "replay --merchant <id> (--delivery <id> | --endpoint <id> (--failed [--since <time>] | --never-attempted) [--dry-run])", Short: "Sends events again",
		Long: `Sends the event of one delivery again, or those of many deliveries to an endpoint:
with --failed all that were attempted without success, with --never-attempted all
that were held while the endpoint was disabled. A replayed event has its old id
and body and a new signature.

Many are replayed beside what is new, in a fifth of the endpoint's share, by the
running server; --dry-run only says how many there are.`,
		Example: `  $ caddy merchants delivery replay --merchant mer_… --delivery dlv_…
  $ caddy merchants delivery replay --merchant mer_… --endpoint wep_… --failed --since 2026-01-31 --dry-run
  $ caddy merchants delivery replay --merchant mer_… --endpoint wep_… --never-attempted`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&f.delivery, "delivery", "", "The delivery to replay (dlv_…)")
	cmd.Flags().StringVar(&f.endpoint, "endpoint", "", "The endpoint whose deliveries to replay (wep_…)")
	cmd.Flags().BoolVar(&f.failed, "failed", false, "Those that were attempted without success")
	cmd.Flags().BoolVar(&f.untried, "never-attempted", false, "Those that were held without an attempt")
	cmd.Flags().StringVar(&f.since, "since", "", "Only those that failed from this time on: 2026-01-31 or 2026-01-31T15:04:05Z")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "Say how many there are, and replay none")
	return localLeaf(cmd, []string{"merchant"}, func(s *session) (err error) {
		if err := f.fill(&in); err != nil {
			return err
		}
		if f.dryRun {
			return do(s, controlplane.OpDeliveryCount, in.ReplayScope, showReplayCount)
		}
		return do(s, controlplane.OpDeliveryReplay, in, showReplayed)
	})
}

// fill refuses what says two things at once.
func (f replayFlags) fill(in *replayInput) (err error) {
	switch {
	case (f.delivery == "") == (f.endpoint == ""):
		return errors.New("say what to replay: either one --delivery, or those to an --endpoint")
	case f.delivery != "" && (f.failed || f.untried || f.dryRun || f.since != ""):
		return errors.New("--failed, --never-attempted, --since and --dry-run go with --endpoint, not with --delivery")
	case f.endpoint != "" && f.failed == f.untried:
		return errors.New("say which deliveries to the endpoint: either --failed or --never-attempted")
	case f.untried && f.since != "":
		return errors.New("--since goes with --failed: what was never attempted did not fail at any time")
	}
	in.DeliveryID, in.EndpointID = f.delivery, f.endpoint
	in.Kind = controlplane.ReplayFailed
	if f.untried {
		in.Kind = controlplane.ReplayUntried
	}
	in.Since, err = parseTime("since", f.since)
	return err
}

func showDeliveries(p *printer, out deliveryList) {
	p.row("ID", "EVENT", "TYPE", "STATE", "ATTEMPTS", "LAST", "NEXT", "CREATED", "ENDPOINT")
	for _, d := range out.Deliveries {
		next := time.Time{}
		if d.State == controlplane.DeliveryPending {
			next = d.NextAt
		}
		p.row(d.ID, d.EventID, string(d.Type), string(d.State), strconv.Itoa(d.Attempts), lastResult(d), when(next), when(d.CreatedAt), d.EndpointID)
	}
	p.more("--before", out.Next)
}

func showDelivery(p *printer, out controlplane.DeliveryDetail) {
	d := out.Delivery
	p.row("Delivery", d.ID)
	p.row("Event", d.EventID+", "+string(d.Type))
	p.row("Endpoint", d.EndpointID)
	p.row("State", string(d.State))
	p.row("Created", when(d.CreatedAt))
	if len(out.Attempts) == 0 {
		return
	}
	p.row("")
	p.row("ATTEMPT", "TIME", "RESULT", "DETAIL")
	for _, a := range out.Attempts {
		result := string(a.Fault)
		if a.Status != 0 {
			result = strconv.Itoa(a.Status)
		}
		p.row(strconv.Itoa(a.Number), when(a.At), result, orDash(a.Detail))
	}
}

// lastResult is the status of the last answer, or what kept it away.
func lastResult(d controlplane.Delivery) string {
	if d.LastStatus != 0 {
		return strconv.Itoa(d.LastStatus)
	}
	return orDash(string(d.LastFault))
}

func showReplayCount(p *printer, out replayCount) {
	p.row("Would be replayed", strconv.FormatInt(out.Deliveries, 10))
}

func showReplayed(p *printer, out replayed) {
	if d := out.Delivery; d != nil {
		p.row("Delivery", d.ID)
		p.row("Event", d.EventID)
		p.row("Endpoint", d.EndpointID)
		p.row("State", string(d.State))
	}
	if r := out.Replay; r != nil {
		p.row("Replay", r.ID)
		p.row("Endpoint", r.EndpointID)
		p.row("Deliveries so far", strconv.FormatInt(r.Deliveries, 10))
	}
	if p.offline {
		p.row("Sent", "when the server runs")
	}
}
