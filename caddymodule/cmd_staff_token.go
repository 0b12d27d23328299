package caddymodule

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func staffTokenCommand() *cobra.Command {
	return commandGroup("staff-token", "Issues, revokes and lists the tokens with which programs use the admin API",
		staffTokenIssueCommand(), staffTokenRevokeCommand(), staffTokenListCommand())
}

func staffTokenIssueCommand() *cobra.Command {
	var in controlplane.IssueStaffToken
	cmd := &cobra.Command{
		Use: "issue --username <name> --name <text>", Short: "Issues a staff token",
		Long: `Issues a token with which a program uses the admin API as a member of staff, and
prints it, once. It may do what the member may, and it ends at once when they
are disabled, or their role, password or second factor is changed.

What asks people to confirm who they are takes a token made with --confirmed, for
a member with a second factor.`,
		Example: `  $ caddy merchants staff-token issue --username ann --name "nightly report"
  $ caddy merchants staff-token issue --username ann --name onboarding --confirmed --days 30`,
	}
	cmd.Flags().StringVar(&in.Username, "username", "", "Username of the member of staff")
	cmd.Flags().StringVar(&in.Name, "name", "", "What uses the token, up to 200 characters")
	cmd.Flags().IntVar(&in.Days, "days", 0, "Days until the token ends, 1 to 365 (default 90)")
	cmd.Flags().BoolVar(&in.Confirmed, "confirmed", false, "Let it do what asks people to confirm who they are")
	return localLeaf(cmd, []string{"username", "name"}, func(s *session) error {
		return doOnce(s, "token", controlplane.OpStaffTokenIssue, in, func(p *printer, out issuedStaffToken) {
			showStaffToken(p, staffTokenChanged{out.Token})
			p.row("Secret", out.Secret)
		})
	})
}

func staffTokenRevokeCommand() *cobra.Command {
	var in tokenRef
	cmd := &cobra.Command{
		Use: "revoke --token <id>", Short: "Ends a staff token at once",
		Long:    `Ends a staff token at once: it is answered with 401 from now on.`,
		Example: `  $ caddy merchants staff-token revoke --token stt_…`,
	}
	cmd.Flags().StringVar(&in.TokenID, "token", "", "Id of the token (stt_…), not the token itself")
	return leaf(cmd, []string{"token"}, func(s *session) error {
		return do(s, controlplane.OpStaffTokenRevoke, in, showStaffToken)
	})
}

func staffTokenListCommand() *cobra.Command {
	var in controlplane.StaffTokenFilter
	cmd := &cobra.Command{
		Use: "list [--staff <id>]", Short: "Lists the staff tokens",
		Long:    `Lists the staff tokens, the oldest first, those that ended included.`,
		Example: `  $ caddy merchants staff-token list`,
	}
	cmd.Flags().StringVar(&in.StaffID, "staff", "", "Only those of this member (stf_…)")
	return leaf(cmd, nil, func(s *session) error {
		return do(s, controlplane.OpStaffTokenList, in, showStaffTokens)
	})
}

func showStaffToken(p *printer, out staffTokenChanged) {
	t := out.Token
	p.row("Token", t.ID)
	p.row("Member", t.Username)
	p.row("Name", t.Name)
	p.row("State", staffTokenState(t))
	p.row("Ends", when(t.ExpiresAt))
}

// staffTokenState does not know of tokens that ended with their member's password.
func staffTokenState(t controlplane.StaffToken) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case !time.Now().Before(t.ExpiresAt):
		return "expired"
	case t.Confirmed:
		return "active, confirmed"
	}
	return "active"
}

func showStaffTokens(p *printer, out staffTokenList) {
	p.row("ID", "MEMBER", "NAME", "STATE", "ENDS", "CREATED", "BY", "LAST USED")
	for _, t := range out.Tokens {
		p.row(t.ID, t.Username, t.Name, staffTokenState(t), when(t.ExpiresAt), when(t.CreatedAt), t.CreatedBy, when(t.LastUsedAt))
	}
}
