package caddymodule

import (
	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const platformRoleHelp = "platform_admin, platform_operator or auditor"

func staffCommand() *cobra.Command {
	return commandGroup("staff", "Adds, disables, rescues and lists the platform's own people",
		staffCreateCommand(), staffListCommand(), staffShowCommand(), staffRoleCommand(), staffResetPasswordCommand(),
		staffStateCommand(eyesLeaf, "reset-2fa", controlplane.OpStaffResetSecondFactor,
			"Takes the second factor from a member who has lost it; make sure of who is asking"),
		staffStateCommand(leaf, "sign-out", controlplane.OpStaffSignOut, "Ends all sessions and tokens of a member"),
		staffStateCommand(eyesLeaf, "disable", controlplane.OpStaffDisable, "Ends a member's sessions and tokens and refuses their sign-in"),
		staffStateCommand(eyesLeaf, "enable", controlplane.OpStaffEnable, "Lets a disabled member sign in again"))
}

func staffCreateCommand() *cobra.Command {
	var in controlplane.CreateStaff
	var role string
	cmd := &cobra.Command{
		Use: "create --username <name> --role <role> [--email <address>]", Short: "Adds a member with an initial password",
		Long: `Adds a member of the platform team and prints a generated initial password. It
must be changed at the first sign-in, where a second factor has to be set up too,
and dies unused after 72 hours.`,
		Example: `  $ caddy merchants staff create --username bob --role platform_operator`,
	}
	cmd.Flags().StringVar(&in.Username, "username", "", "Name to sign in with, 3 to 64 of a-z 0-9 . _ - @ +")
	cmd.Flags().StringVar(&role, "role", "", platformRoleHelp)
	cmd.Flags().StringVar(&in.Email, "email", "", "E-mail address")
	return eyesLeaf(cmd, []string{"username", "role"}, func(s *session) error {
		in.Role = controlplane.Role(role)
		return doOnce(s, "password", controlplane.OpStaffCreate, in, showNewAccount)
	})
}

// staffStateCommand is for what takes nothing but the member.
func staffStateCommand(make leafMaker, verb string, name controlplane.Operation, short string) *cobra.Command {
	var in controlplane.StaffRef
	cmd := &cobra.Command{
		Use: verb + " --staff <id>", Short: short, Long: short + ".",
		Example: "  $ caddy merchants staff " + verb + " --staff stf_…",
	}
	staffFlag(cmd, &in.StaffID)
	return make(cmd, []string{"staff"}, func(s *session) error { return do(s, name, in, showMemberChanged) })
}

func staffShowCommand() *cobra.Command {
	var in controlplane.StaffRef
	cmd := &cobra.Command{
		Use: "show --staff <id>", Short: "Shows a member",
		Long:    `Shows a member of the platform team, and whether they have a second factor.`,
		Example: `  $ caddy merchants staff show --staff stf_…`,
	}
	staffFlag(cmd, &in.StaffID)
	return leaf(cmd, []string{"staff"}, func(s *session) error {
		return do(s, controlplane.OpStaffView, in, func(p *printer, out memberView) {
			showMemberChanged(p, memberChanged{out.Member.Staff})
			p.row("Second factor", yesNo(out.Member.SecondFactor))
		})
	})
}

func staffRoleCommand() *cobra.Command {
	var in controlplane.SetStaffRole
	var role string
	cmd := &cobra.Command{
		Use: "role --staff <id> --role <role>", Short: "Changes what a member may do",
		Long:    `Changes what a member may do, and ends their sessions and tokens.`,
		Example: `  $ caddy merchants staff role --staff stf_… --role auditor`,
	}
	staffFlag(cmd, &in.StaffID)
	cmd.Flags().StringVar(&role, "role", "", platformRoleHelp)
	return eyesLeaf(cmd, []string{"staff", "role"}, func(s *session) error {
		in.Role = controlplane.Role(role)
		return do(s, controlplane.OpStaffRole, in, showMemberChanged)
	})
}

func staffResetPasswordCommand() *cobra.Command {
	var in controlplane.StaffRef
	cmd := &cobra.Command{
		Use: "reset-password --staff <id>", Short: "Gives a member a new initial password",
		Long: `Replaces the password of a member who cannot get in, ends their sessions and
tokens, and prints a generated initial password. It must be changed at the next
sign-in, and dies unused after 72 hours. A second factor stays: see reset-2fa.`,
		Example: `  $ caddy merchants staff reset-password --staff stf_…`,
	}
	staffFlag(cmd, &in.StaffID)
	return leaf(cmd, []string{"staff"}, func(s *session) error {
		return doOnce(s, "password", controlplane.OpStaffResetPassword, in, showNewAccount)
	})
}

func staffListCommand() *cobra.Command {
	var in controlplane.Page
	cmd := &cobra.Command{
		Use: "list", Short: "Lists the platform's own people",
		Long:    `Lists the members of the platform team, the oldest first.`,
		Example: `  $ caddy merchants staff list`,
	}
	pageFlags(cmd, &in)
	return leaf(cmd, nil, func(s *session) error {
		return do(s, controlplane.OpStaffList, in, showMembers)
	})
}

func staffFlag(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVar(id, "staff", "", "Id of the member (stf_…)")
}

func showMemberChanged(p *printer, out memberChanged) {
	m := out.Member
	p.row("Member", m.ID)
	p.row("Username", m.Username)
	p.row("Role", string(m.Role))
	p.row("State", accountState(m.Disabled, m.Password))
}

func showMembers(p *printer, out memberList) {
	p.row("ID", "USERNAME", "ROLE", "STATE", "2FA", "EMAIL", "CREATED")
	for _, m := range out.Members {
		p.row(m.ID, m.Username, string(m.Role), accountState(m.Disabled, m.Password), yesNo(m.SecondFactor), orDash(m.Email), when(m.CreatedAt))
	}
	p.more("--after", out.Next)
}
