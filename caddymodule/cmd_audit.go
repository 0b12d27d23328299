package caddymodule

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func auditCommand() *cobra.Command {
	return commandGroup("audit", "Lists the audit trail and proves that it is unchanged", auditListCommand(), auditVerifyCommand())
}

func auditListCommand() *cobra.Command {
	var in controlplane.AuditFilter
	var operation, outcome, since string
	cmd := &cobra.Command{
		Use: "list [--merchant <id>] [--operation <name>] [--outcome <outcome>] [--since <time>]", Short: "Lists audited acts",
		Long: `Lists who did what when, the newest first: every change, and every act that was
denied. With --json each row has its diff and its hashes.`,
		Example: `  $ caddy merchants audit list --merchant mer_…
  $ caddy merchants audit list --operation key.rotate --since 2026-01-31`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&operation, "operation", "", "Only this operation, such as key.issue")
	cmd.Flags().StringVar(&outcome, "outcome", "", "Only those that ended ok, denied or failed")
	cmd.Flags().StringVar(&since, "since", "", "Only from this time on: 2026-01-31 or 2026-01-31T15:04:05Z")
	cmd.Flags().Int64Var(&in.Before, "before", 0, "Go on before the row with this number")
	cmd.Flags().IntVar(&in.Limit, "limit", 0, "Rows to list, 1 to 1000 (default 100)")
	return leaf(cmd, nil, func(s *session) (err error) {
		in.Operation, in.Outcome = controlplane.Operation(operation), controlplane.Outcome(outcome)
		if in.Since, err = parseTime("since", since); err != nil {
			return err
		}
		return do(s, controlplane.OpAuditList, in, showAudit)
	})
}

func parseTime(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, controlplane.InvalidField(field, "%q is not a time such as 2026-01-31 or 2026-01-31T15:04:05Z", text)
}

func auditVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "verify", Short: "Proves that the audit trail is unchanged",
		Long: `Recomputes the chain of hashes over the whole audit trail. It names the first row
that was changed, left out, put in or cut off, and then exits with status 1.

Keep the head that it prints somewhere else: together with the number of rows it
later proves that the trail up to there is the same.`,
		Example: `  $ caddy merchants audit verify`,
	}
	return leaf(cmd, nil, func(s *session) error {
		report, err := ask(s, controlplane.OpAuditVerify, struct{}{}, showReport)
		if err == nil && report.FirstBad != 0 {
			err = fmt.Errorf("the audit trail is not what was written: row %d: %s", report.FirstBad, report.Problem)
		}
		return err
	})
}

func showAudit(p *printer, out auditList) {
	p.row("ROW", "TIME", "ACTOR", "OPERATION", "OUTCOME", "MERCHANT", "TARGET", "CHANGE")
	for _, e := range out.Events {
		p.row(strconv.FormatInt(e.Seq, 10), when(e.At), string(e.ActorKind)+" "+e.ActorName, string(e.Operation),
			string(e.Outcome), orDash(e.MerchantID), orDash(e.Target), orDash(e.Reason+changeText(e.Diff)))
	}
	p.more("--before", strconv.FormatInt(out.Next, 10))
}

// changeText shows a diff in one line; what is no diff, as it is.
func changeText(diff json.RawMessage) string {
	if len(diff) == 0 {
		return ""
	}
	var fields map[string]controlplane.Change
	if err := json.Unmarshal(diff, &fields); err != nil {
		return string(diff)
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch c := fields[name]; {
		case c.From == nil:
			out = append(out, fmt.Sprintf("%s: %v", name, c.To))
		case c.To == nil:
			out = append(out, fmt.Sprintf("%s: no longer %v", name, c.From))
		default:
			out = append(out, fmt.Sprintf("%s: %v → %v", name, c.From, c.To))
		}
	}
	return strings.Join(out, "; ")
}

func showReport(p *printer, out controlplane.AuditReport) {
	p.row("Rows", strconv.FormatInt(out.Rows, 10))
	p.row("Head", out.Head)
	if out.FirstBad == 0 {
		p.row("Result", "every row is as it was written")
		return
	}
	p.row("First bad row", strconv.FormatInt(out.FirstBad, 10))
	p.row("Problem", out.Problem)
}
