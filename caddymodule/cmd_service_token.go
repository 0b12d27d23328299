package caddymodule

import (
	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func serviceTokenCommand() *cobra.Command {
	return commandGroup("service-token", "Issues, revokes and lists the tokens with which backends hand events in",
		tokenIssueCommand(), tokenRevokeCommand(), tokenListCommand())
}

func tokenIssueCommand() *cobra.Command {
	var in controlplane.IssueServiceToken
	cmd := &cobra.Command{
		Use: "issue --name <text>", Short: "Issues a service token",
		Long: `Issues a token with which a backend of the platform hands events in, for every
merchant, and prints it, once. To replace one, issue another, give it to the
backend, and revoke the old one.`,
		Example: `  $ caddy merchants service-token issue --name "payments, production"`,
	}
	cmd.Flags().StringVar(&in.Name, "name", "", "Which backend holds the token, up to 200 characters")
	return leaf(cmd, []string{"name"}, func(s *session) error {
		return doOnce(s, "token", controlplane.OpServiceTokenIssue, in, func(p *printer, out issuedToken) {
			showToken(p, tokenChanged{out.Token})
			p.row("Secret", out.Secret)
		})
	})
}

func tokenRevokeCommand() *cobra.Command {
	var in tokenRef
	cmd := &cobra.Command{
		Use: "revoke --token <id>", Short: "Ends a service token at once",
		Long:    `Ends a service token at once: it is answered with 401 from now on.`,
		Example: `  $ caddy merchants service-token revoke --token svt_…`,
	}
	cmd.Flags().StringVar(&in.TokenID, "token", "", "Id of the token (svt_…), not the token itself")
	return leaf(cmd, []string{"token"}, func(s *session) error {
		return do(s, controlplane.OpServiceTokenRevoke, in, showToken)
	})
}

func tokenListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "Lists the service tokens",
		Long:    `Lists the service tokens, the oldest first, revoked ones included.`,
		Example: `  $ caddy merchants service-token list`,
	}
	return leaf(cmd, nil, func(s *session) error {
		return do(s, controlplane.OpServiceTokenList, struct{}{}, showTokens)
	})
}

func showToken(p *printer, out tokenChanged) {
	p.row("Token", out.Token.ID)
	p.row("Name", out.Token.Name)
	p.row("State", tokenState(out.Token))
}

func tokenState(t controlplane.ServiceToken) string {
	if t.RevokedAt.IsZero() {
		return "active"
	}
	return "revoked"
}

func showTokens(p *printer, out tokenList) {
	p.row("ID", "NAME", "STATE", "CREATED", "BY", "LAST USED")
	for _, t := range out.Tokens {
		p.row(t.ID, t.Name, tokenState(t), when(t.CreatedAt), t.CreatedBy, when(t.LastUsedAt))
	}
}
