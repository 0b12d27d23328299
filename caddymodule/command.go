package caddymodule

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "merchants",
		Usage: "<command>",
		Short: "Manages merchants, their API keys and IP allowlists",
		Long: `
Manages the merchant gateway: merchants, their users, API keys and IP
allowlists, webhooks, the audit trail, the keys at rest, backups.

The commands find the configuration as 'caddy run' does: the file given with
--config, or else the Caddyfile in the working directory. With a server running
they ask it through its admin socket, which has to be a unix socket:

	{
		admin unix//run/caddy/admin.sock
	}

With none running they open the database themselves; where there is none, only
'bootstrap' and 'merchant create' make one. Run them as the user that
the server runs as, so that the files stay its own:

	$ sudo -u caddy caddy merchants status --config /etc/caddy/Caddyfile

A running gateway enforces a change within a second, without a reload. With
--json every command prints one JSON object. A command that fails prints one
line on standard error and exits with status 1.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Example = `  $ caddy merchants merchant create --name "Blue Bottle Books"
  $ caddy merchants key issue --merchant mer_… --env test
  $ caddy merchants allowlist add --merchant mer_… --cidr 198.51.100.7 --note "their server"`
			asGroup(cmd,
				bootstrapCommand(), merchantCommand(), userCommand(), keyCommand(), allowlistCommand(), signCommand(),
				endpointCommand(), deliveryCommand(), eventCommand(), requestCommand(), serviceTokenCommand(),
				staffCommand(), staffTokenCommand(), approvalCommand(),
				statusCommand(), auditCommand(), backupCommand(), restoreCommand(), migrateStoreCommand(), keyringCommand())
		},
	})
}

// commandGroup makes a command that only holds others.
func commandGroup(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use + " <command>", Short: short}
	asGroup(cmd, children...)
	return cmd
}

// asGroup also makes a mistyped subcommand an error: cobra would print the help
// and report success.
func asGroup(cmd *cobra.Command, children ...*cobra.Command) {
	cmd.AddCommand(children...)
	cmd.SetFlagErrorFunc(flagError)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return fmt.Errorf("there is no command %q; %q lists what there is", cmd.CommandPath()+" "+args[0], cmd.CommandPath()+" --help")
	}
}

// leaf makes a command that asks the control plane. Flags named in required must
// be given.
func leaf(cmd *cobra.Command, required []string, do func(*session) error) *cobra.Command {
	s := new(session)
	cmd.Flags().StringVarP(&s.config, "config", "c", "", "Configuration file (default: the Caddyfile in the working directory)")
	cmd.Flags().StringVarP(&s.adapter, "adapter", "a", "", "Name of the config adapter, if the file is not a Caddyfile or JSON")
	cmd.Flags().StringVar(&s.address, "address", "", "Admin socket of the running server, such as unix//run/caddy/admin.sock (default: as configured)")
	s.remote.flags(cmd)
	return plainLeaf(cmd, s, required, func(s *session) error {
		if err := s.checkRemote(); err != nil {
			return err
		}
		return do(s)
	})
}

// eyesLeaf makes a command whose change may have to wait for another platform admin.
func eyesLeaf(cmd *cobra.Command, required []string, do func(*session) error) *cobra.Command {
	var reason string
	cmd.Flags().StringVar(&reason, "break-glass", "", "With --server: why the change must not wait for the approval of another platform admin")
	return leaf(cmd, required, func(s *session) error {
		if reason != "" && s.server == "" {
			return errors.New("--break-glass is for --server: what the operator of the machine does waits for nobody")
		}
		s.breakGlass = reason
		return do(s)
	})
}

// plainLeaf makes a command that needs no configuration.
func plainLeaf(cmd *cobra.Command, s *session, required []string, do func(*session) error) *cobra.Command {
	cmd.Flags().BoolVar(&s.json, "json", false, "Print one JSON object instead of text")
	cmd.SetFlagErrorFunc(flagError)
	if cmd.Args == nil {
		cmd.Args = noArguments
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s.cmd, s.args = cmd, args
		if err := missingFlags(cmd, required); err != nil {
			return err
		}
		return s.explain(do(s))
	}
	return cmd
}

func flagError(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%s; %q lists the flags", oneLine(err.Error()), cmd.CommandPath()+" --help")
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%q is one word too many; %q shows how to call it", args[0], cmd.CommandPath()+" --help")
}

func missingFlags(cmd *cobra.Command, required []string) error {
	var missing []string
	for _, name := range required {
		if f := cmd.Flags().Lookup(name); f.Value.String() == "" {
			missing = append(missing, "--"+name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("missing %s; %q says what it takes", strings.Join(missing, " and "), cmd.CommandPath()+" --help")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
