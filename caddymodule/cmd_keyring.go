package caddymodule

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func keyringCommand() *cobra.Command {
	return commandGroup("keyring", "Shows and rotates the keys that seal the secrets in the database",
		keyringStatusCommand(), keyringRotateCommand(), keyringRotateRootCommand())
}

func keyringStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Shows which keys seal the secrets",
		Long:    `Shows the fingerprint of the root key, and the data keys that it wraps.`,
		Example: `  $ caddy merchants keyring status`,
	}
	return leaf(cmd, nil, func(s *session) error {
		return do(s, controlplane.OpKeyringStatus, struct{}{}, showKeyring)
	})
}

func showKeyring(p *printer, out keyringStatus) {
	p.row("Root key", out.RootID+" in "+out.RootPath)
	p.row("")
	p.row("DATA KEY", "PURPOSE", "CREATED", "STATE", "SEALED SINCE START")
	for _, k := range out.DataKeys {
		p.row(strconv.FormatUint(uint64(k.ID), 10), k.Purpose, when(k.CreatedAt),
			map[bool]string{true: "seals", false: "only opens"}[k.Seals], strconv.FormatUint(k.Sealed, 10))
	}
}

func keyringRotateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate", Short: "Makes new data keys and seals every secret again",
		Long: `Makes a new data key for each purpose, seals every secret again with it and
deletes the old ones. The gateway serves all the while. A rotation that was
interrupted is finished by the next.`,
		Example: `  $ caddy merchants keyring rotate`,
	}
	return localLeaf(cmd, nil, func(s *session) error {
		return do(s, controlplane.OpKeyringRotate, struct{}{}, func(p *printer, out controlplane.Resealed) {
			p.row("Purposes", strings.Join(out.Purposes, ", "))
			p.row("Sealed again", strconv.Itoa(out.Records)+" secrets")
		})
	})
}

func keyringRotateRootCommand() *cobra.Command {
	var newRoot string
	cmd := &cobra.Command{
		Use: "rotate-root [--new-root <file>]", Short: "Replaces the root key",
		Long: `Replaces the root key: the data keys are wrapped by the new one, in one
transaction. The gateway serves all the while. Without --new-root a key is made;
it takes the file's place, and the old one stays beside it under its fingerprint
for as long as backups need it.

With --new-root the key is read from that file (32 random bytes in base64, mode
0400), and the configuration has to name the file from the next start on.

After a root key has leaked, also run 'keyring rotate'.`,
		Example: `  $ caddy merchants keyring rotate-root
  $ caddy merchants keyring rotate-root --new-root /run/credentials/caddy.service/root-2.key`,
	}
	cmd.Flags().StringVar(&newRoot, "new-root", "", "File with the new root key (default: one is made)")
	return localLeaf(cmd, nil, func(s *session) (err error) {
		if newRoot != "" {
			if newRoot, err = filepath.Abs(newRoot); err != nil {
				return err
			}
		}
		out, err := ask(s, controlplane.OpKeyringRotateRoot, rotateRoot{newRoot}, func(p *printer, out rootRotated) {
			p.row("Root key", out.RootID+" in "+out.RootPath)
		})
		if err == nil && newRoot != "" {
			s.note("Put \"keyring %s\" into the merchants options of the configuration before the next start.", out.RootPath)
		}
		return err
	})
}
