package caddymodule

import (
	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func bootstrapCommand() *cobra.Command {
	var in controlplane.BootstrapStaff
	cmd := &cobra.Command{
		Use: "bootstrap --username <name> [--email <address>]", Short: "Creates the platform's first administrator",
		Long: `Creates the first platform administrator and prints a one-time password, which is
valid for 24 hours. It works only while there is no staff at all.`,
		Example: `  $ caddy merchants bootstrap --username alice`,
	}
	cmd.Flags().StringVar(&in.Username, "username", "", "Name to sign in with, 3 to 64 of a-z 0-9 . _ - @ +")
	cmd.Flags().StringVar(&in.Email, "email", "", "E-mail address")
	return localLeaf(cmd, []string{"username"}, func(s *session) error {
		return doOnce(s, "password", controlplane.OpStaffBootstrap, in, showNewAccount)
	})
}

func userCommand() *cobra.Command {
	return commandGroup("user", "Creates, disables, rescues and lists the users of a merchant",
		userCreateCommand(), userListCommand(), userShowCommand(), userRoleCommand(), userResetPasswordCommand(),
		userStateCommand(eyesLeaf, "reset-2fa", controlplane.OpUserResetSecondFactor,
			"Takes the second factor from a user who has lost it; make sure of who is asking"),
		userStateCommand(leaf, "sign-out", controlplane.OpUserSignOut, "Ends all sessions of a user"),
		userStateCommand(leaf, "disable", controlplane.OpUserDisable, "Ends a user's sessions and refuses their sign-in"),
		userStateCommand(leaf, "enable", controlplane.OpUserEnable, "Lets a disabled user sign in again"))
}

const roleHelp = "owner, admin, operator or viewer"

func userCreateCommand() *cobra.Command {
	var in controlplane.CreateUser
	var role string
	cmd := &cobra.Command{
		Use: "create --merchant <id> --username <name> --role <role> [--email <address>]", Short: "Creates a user with an initial password",
		Long: `Creates a user of a merchant and prints a generated initial password. It must be
changed at the first sign-in, and dies unused after 72 hours. Usernames are
unique over all merchants.`,
		Example: `  $ caddy merchants user create --merchant mer_… --username bea --role owner`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&in.Username, "username", "", "Name to sign in with, 3 to 64 of a-z 0-9 . _ - @ +")
	cmd.Flags().StringVar(&role, "role", "", roleHelp)
	cmd.Flags().StringVar(&in.Email, "email", "", "E-mail address")
	return eyesLeaf(cmd, []string{"merchant", "username", "role"}, func(s *session) error {
		in.Role = controlplane.Role(role)
		return doOnce(s, "password", controlplane.OpUserCreate, in, showNewAccount)
	})
}

// leafMaker is one of the kinds of commands that ask the control plane.
type leafMaker = func(cmd *cobra.Command, required []string, do func(*session) error) *cobra.Command

func userStateCommand(make leafMaker, verb string, name controlplane.Operation, short string) *cobra.Command {
	var in userRef
	cmd := &cobra.Command{
		Use: verb + " --merchant <id> --user <id>", Short: short, Long: short + ".",
		Example: "  $ caddy merchants user " + verb + " --merchant mer_… --user usr_…",
	}
	userFlags(cmd, &in.MerchantID, &in.UserID)
	return make(cmd, []string{"merchant", "user"}, func(s *session) error { return do(s, name, in, showUser) })
}

func userShowCommand() *cobra.Command {
	var in userRef
	cmd := &cobra.Command{
		Use: "show --merchant <id> --user <id>", Short: "Shows a user",
		Long:    `Shows a user of a merchant, and whether they have a second factor.`,
		Example: `  $ caddy merchants user show --merchant mer_… --user usr_…`,
	}
	userFlags(cmd, &in.MerchantID, &in.UserID)
	return leaf(cmd, []string{"merchant", "user"}, func(s *session) error {
		return do(s, controlplane.OpUserView, in, func(p *printer, out userShown) {
			showUser(p, userChanged{out.User.User})
			p.row("Second factor", yesNo(out.User.SecondFactor))
		})
	})
}

func userResetPasswordCommand() *cobra.Command {
	var in userRef
	cmd := &cobra.Command{
		Use: "reset-password --merchant <id> --user <id>", Short: "Gives a user a new initial password",
		Long: `Replaces the password of a user who cannot get in, ends their sessions, and prints
a generated initial password. It must be changed at the next sign-in, and dies
unused after 72 hours. A second factor stays: see reset-2fa.`,
		Example: `  $ caddy merchants user reset-password --merchant mer_… --user usr_…`,
	}
	userFlags(cmd, &in.MerchantID, &in.UserID)
	return leaf(cmd, []string{"merchant", "user"}, func(s *session) error {
		return doOnce(s, "password", controlplane.OpUserResetPassword, in, showNewAccount)
	})
}

func userRoleCommand() *cobra.Command {
	var in controlplane.SetUserRole
	var role string
	cmd := &cobra.Command{
		Use: "role --merchant <id> --user <id> --role <role>", Short: "Changes what a user may do",
		Long:    `Changes what a user may do, and ends their sessions.`,
		Example: `  $ caddy merchants user role --merchant mer_… --user usr_… --role viewer`,
	}
	userFlags(cmd, &in.MerchantID, &in.UserID)
	cmd.Flags().StringVar(&role, "role", "", roleHelp)
	return eyesLeaf(cmd, []string{"merchant", "user", "role"}, func(s *session) error {
		in.Role = controlplane.Role(role)
		return do(s, controlplane.OpUserRole, in, showUser)
	})
}

func userListCommand() *cobra.Command {
	var in controlplane.UserFilter
	cmd := &cobra.Command{
		Use: "list --merchant <id>", Short: "Lists the users of a merchant",
		Long:    `Lists the users of a merchant, the oldest first.`,
		Example: `  $ caddy merchants user list --merchant mer_…`,
	}
	merchantFlag(cmd, &in.MerchantID)
	pageFlags(cmd, &in.Page)
	return leaf(cmd, []string{"merchant"}, func(s *session) error {
		return do(s, controlplane.OpUserList, in, showUsers)
	})
}

func userFlags(cmd *cobra.Command, merchantID, userID *string) {
	merchantFlag(cmd, merchantID)
	cmd.Flags().StringVar(userID, "user", "", "Id of the user (usr_…)")
}

func showNewAccount(p *printer, out newAccount) {
	p.row("Account", out.ID)
	if out.MerchantID != "" {
		p.row("Merchant", out.MerchantID)
	}
	p.row("Username", out.Username)
	p.row("Password", out.InitialPassword)
	p.row("Valid until", when(out.ExpiresAt))
}

func showUser(p *printer, out userChanged) {
	u := out.User
	p.row("User", u.ID)
	p.row("Merchant", u.MerchantID)
	p.row("Username", u.Username)
	p.row("Role", string(u.Role))
	p.row("State", accountState(u.Disabled, u.Password))
}

func showUsers(p *printer, out userList) {
	p.row("ID", "USERNAME", "ROLE", "STATE", "EMAIL", "CREATED")
	for _, u := range out.Users {
		p.row(u.ID, u.Username, string(u.Role), accountState(u.Disabled, u.Password), orDash(u.Email), when(u.CreatedAt))
	}
	p.more("--after", out.Next)
}

func accountState(disabled bool, password controlplane.Password) string {
	switch {
	case disabled:
		return "disabled"
	case password.MustChange:
		return "initial password"
	}
	return "active"
}
