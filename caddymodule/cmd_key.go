package caddymodule

import (
	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func keyCommand() *cobra.Command {
	return commandGroup("key", "Issues, rotates, retires and lists API keys",
		keyIssueCommand(), keyRotateCommand(), keyRetireCommand(), keyListCommand())
}

func keyIssueCommand() *cobra.Command {
	var in controlplane.IssueKey
	var env string
	cmd := &cobra.Command{
		Use: "issue --merchant <id> --env <live|test>", Short: "Issues the first API key of an environment",
		Long: `Issues an API key and prints its secret, once. While there is an active key of
the environment it is refused: rotate that one instead, so that nobody cuts a
running integration off by mistake.`,
		Example: `  $ caddy merchants key issue --merchant mer_… --env test
  $ caddy merchants key issue --merchant mer_… --env live --json`,
	}
	merchantFlag(cmd, &in.MerchantID)
	envFlag(cmd, &env)
	return localLeaf(cmd, []string{"merchant", "env"}, func(s *session) error {
		in.Environment = controlplane.Environment(env)
		return doOnce(s, "secret", controlplane.OpKeyIssue, in, showIssuedKey)
	})
}

func keyRotateCommand() *cobra.Command {
	var in rotateKey
	var env string
	cmd := &cobra.Command{
		Use: "rotate --merchant <id> --env <live|test> [--overlap <duration>]", Short: "Replaces the active API key",
		Long: `Issues a new API key and prints its secret, once. The old key works beside it
for the overlap: 0, 1h, 24h or 7d. After a leak, use --overlap 0.`,
		Example: `  $ caddy merchants key rotate --merchant mer_… --env live
  $ caddy merchants key rotate --merchant mer_… --env live --overlap 0`,
	}
	merchantFlag(cmd, &in.MerchantID)
	envFlag(cmd, &env)
	cmd.Flags().StringVar(&in.Overlap, "overlap", "24h", "How long the old key still works: 0, 1h, 24h or 7d")
	return localLeaf(cmd, []string{"merchant", "env"}, func(s *session) error {
		in.Environment = controlplane.Environment(env)
		return doOnce(s, "secret", controlplane.OpKeyRotate, in, showIssuedKey)
	})
}

func keyRetireCommand() *cobra.Command {
	var in retireKey
	cmd := &cobra.Command{
		Use: "retire --merchant <id> --key <id> [--after <duration>]", Short: "Stops an API key without a successor",
		Long: `Stops an API key, at once or after 1h, 24h or 7d, without a successor. The end of
a key that is retiring already can be brought forward.`,
		Example: `  $ caddy merchants key retire --merchant mer_… --key unk_live_…`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&in.KeyID, "key", "", "Id of the key (unk_live_… or unk_test_…)")
	cmd.Flags().StringVar(&in.After, "after", "0", "How long the key still works: 0, 1h, 24h or 7d")
	return localLeaf(cmd, []string{"merchant", "key"}, func(s *session) error {
		return do(s, controlplane.OpKeyRetire, in, func(p *printer, out keyChanged) {
			showKey(p, out.Key)
			p.applied(out.applied)
		})
	})
}

func keyListCommand() *cobra.Command {
	var in controlplane.KeyFilter
	var env string
	cmd := &cobra.Command{
		Use: "list --merchant <id> [--env <live|test>]", Short: "Lists the API keys of a merchant",
		Long: `Lists the API keys of a merchant, the newest first, with their state and when and
from where they were last used. Secrets are never shown.`,
		Example: `  $ caddy merchants key list --merchant mer_… --env live`,
	}
	merchantFlag(cmd, &in.MerchantID)
	envFlag(cmd, &env)
	return leaf(cmd, []string{"merchant"}, func(s *session) error {
		in.Environment = controlplane.Environment(env)
		return do(s, controlplane.OpKeyList, in, showKeys)
	})
}

func envFlag(cmd *cobra.Command, env *string) {
	cmd.Flags().StringVarP(env, "env", "e", "", "Environment: live or test")
}

func showIssuedKey(p *printer, out issuedKey) {
	showKey(p, out.Key)
	p.row("Secret", out.Secret)
	if old := out.Replaced; old != nil {
		p.row("Replaces", old.ID)
		p.row("Old key stops", when(old.RetireAt))
	}
	p.applied(out.applied)
}

func showKey(p *printer, k controlplane.APIKey) {
	p.row("Key", k.ID)
	p.row("Merchant", k.MerchantID)
	p.row("Environment", string(k.Environment))
	p.row("State", string(k.State))
	if !k.RetireAt.IsZero() {
		p.row("Stops", when(k.RetireAt))
	}
}

func showKeys(p *printer, out keyList) {
	p.row("ID", "ENV", "STATE", "CREATED", "STOPS", "LAST USED", "FROM")
	for _, k := range out.Keys {
		from := "-"
		if k.LastUsedIP.IsValid() {
			from = k.LastUsedIP.String()
		}
		p.row(k.ID, string(k.Environment), string(k.State), when(k.CreatedAt), when(k.RetireAt), when(k.LastUsedAt), from)
	}
}
