package caddymodule

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

func migrateStoreCommand() *cobra.Command {
	var from, to, passwordFile string
	cmd := &cobra.Command{
		Use: "migrate-store --from sqlite:<path> --to postgres://<user>@<host>/<database>", Short: "Copies the control plane from SQLite to PostgreSQL",
		Long: `Copies the control plane to an empty PostgreSQL database and then compares
every row of both. The audit trail keeps its hashes, each of which is
computed anew. The server may run meanwhile: what is copied is the state of
one moment.

Run again, it writes only what differs: after an interruption it carries on.
To move for good: copy while the server runs, stop the server, copy once
more, change "store" in the Caddyfile, start the server. The root key stays
where it is; name it with "keyring" if the new store would look for it
elsewhere.

A PostgreSQL database that holds anything else, or was used since it was
copied, is refused. A password goes into --password-file, or PGPASSWORD; in
the URL it would be seen in the list of processes.`,
		Example: `  $ caddy merchants migrate-store --from sqlite:/var/lib/caddy/merchants/merchants.db \
      --to postgres://gateway@db.example/merchants \
      --password-file /run/secrets/postgres`,
	}
	cmd.Flags().StringVar(&from, "from", "", "The SQLite database: sqlite: and its path (required)")
	cmd.Flags().StringVar(&to, "to", "", "The URL of the PostgreSQL database (required)")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "File with the password of PostgreSQL")
	return plainLeaf(cmd, new(session), []string{"from", "to"}, func(s *session) error {
		return s.migrateStore(from, &PostgresStore{URL: to, PasswordFile: passwordFile})
	})
}

func (s *session) migrateStore(from string, to *PostgresStore) error {
	path, ok := strings.CutPrefix(from, "sqlite:")
	if !ok || path == "" {
		return controlplane.InvalidField("from", "is %q; give sqlite: and the path of the database, as in sqlite:/var/lib/caddy/merchants/merchants.db", from)
	}
	if err := to.Validate(); err != nil {
		return err
	}
	out, err := copyStore(s.cmd.Context(), path, to, func(c store.Copied) {
		s.note("%s: %d rows, %d added, %d changed, %d removed", c.Table, c.Rows, c.Inserted, c.Updated, c.Deleted)
	})
	if err != nil {
		return err
	}
	if out.Served {
		s.note("A server has the SQLite database open: what it changes from now on is not copied. Stop it and copy once more before you start it on PostgreSQL.")
	}
	return printOwn(s, out, showCopied)
}

func copyStore(ctx context.Context, path string, to *PostgresStore, progress func(store.Copied)) (out store.CopyReport, err error) {
	db, err := to.open(ctx)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return store.CopySQLite(ctx, path, db, progress)
}

func showCopied(p *printer, out store.CopyReport) {
	var rows, written int64
	for _, t := range out.Tables {
		rows += t.Rows
		written += t.Inserted + t.Updated + t.Deleted
	}
	p.row("Compared", strconv.FormatInt(rows, 10)+" rows of "+strconv.Itoa(len(out.Tables))+" tables: equal")
	p.row("Written", strconv.FormatInt(written, 10)+" rows")
	p.row("Audit trail", strconv.FormatInt(out.AuditSeq, 10)+" rows, verified")
	p.row("Revision", strconv.FormatInt(out.Revision, 10))
}
