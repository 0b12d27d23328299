package caddymodule

import (
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/unknownpay/merchant-gateway/controlplane/account"
)

// hasherName is the command that a server starts to hash passwords. It is no
// command for people.
const hasherName = "merchants-hasher"

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: hasherName, Short: "Hashes passwords for the server that started it",
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Hidden = true
			cmd.RunE = func(*cobra.Command, []string) error { return account.ServeHashes(os.Stdin, os.Stdout) }
		},
	})
}

// hasherCommand starts this program a second time, without the environment: the
// credentials in it are none of its business. The link in /proc leads to this very
// program even after an upgrade has replaced the file.
func hasherCommand() (*exec.Cmd, error) {
	path := "/proc/self/exe"
	if _, err := os.Lstat(path); err != nil {
		if path, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(path, hasherName)
	cmd.Args[0] = os.Args[0]
	cmd.Env = []string{"HOME=" + os.DevNull}
	return cmd, nil
}

// isServer reports whether this program is "caddy run". Another that has this module
// in it may do anything when it is started a second time.
func isServer() bool { return len(os.Args) > 1 && os.Args[1] == "run" }
