package caddymodule

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func eventCommand() *cobra.Command {
	return commandGroup("event", "Sends events to merchants", eventSendCommand())
}

func eventSendCommand() *cobra.Command {
	var in controlplane.IngestEvent
	var env, kind, data string
	cmd := &cobra.Command{
		Use: "send --merchant <id> --env <live|test> --type <type> --data <json>", Short: "Sends an event to a merchant's endpoints",
		Long: `Takes an event in as a backend would hand it in, for trying things out and for
what a backend could not send. It goes to every endpoint of the merchant and
environment that wants the type; 'delivery list' shows what becomes of it.

With --idempotency-key the same event is made once however often the command
runs; without it, each run makes a new one.`,
		Example: `  $ caddy merchants event send --merchant mer_… --env test --type deposit.success --data '{"id":"dep_1","amount":1000}'
  $ caddy merchants event send --merchant mer_… --env live --type deposit.expired --data @event.json --idempotency-key dep_1-expired`,
	}
	merchantFlag(cmd, &in.MerchantID)
	envFlag(cmd, &env)
	cmd.Flags().StringVar(&kind, "type", "", "What happened, such as deposit.success")
	cmd.Flags().StringVarP(&data, "data", "d", "", `JSON object that the merchant gets as data, or "@file" to read it from a file, "@-" from standard input`)
	cmd.Flags().StringVar(&in.IdempotencyKey, "idempotency-key", "", "Name for the event, 1 to 255 printable ASCII characters (default: a new one)")
	return localLeaf(cmd, []string{"merchant", "env", "type", "data"}, func(s *session) (err error) {
		in.Environment, in.Type, in.Data = controlplane.Environment(env), controlplane.EventType(kind), []byte(data)
		if file, isFile := strings.CutPrefix(data, "@"); isFile {
			if in.Data, err = s.readFile(file, controlplane.MaxEventData); err != nil {
				return fmt.Errorf("read the data: %w", err)
			}
		}
		// It travels inside JSON: what is none could not even be refused there.
		if !json.Valid(in.Data) {
			return controlplane.InvalidField("data", `must be a JSON object such as {"id":"dep_1"}`)
		}
		if in.IdempotencyKey == "" {
			in.IdempotencyKey = "cli-" + rand.Text()
		}
		return do(s, controlplane.OpEventIngest, in, showEvent)
	})
}

func showEvent(p *printer, out controlplane.IngestedEvent) {
	p.row("Event", out.ID)
	if out.Duplicate {
		p.row("Sent", "before, under the same idempotency key; nothing was sent now")
	} else if p.offline {
		p.row("Sent", "when the server runs")
	}
}
