package caddymodule

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Says how the gateway and its database are doing",
		Long: `Says which versions run, where the data lies, which revision the gateway decides
by, how old that is, and how full the memory of used nonces is. Without a
running server it tells about the database alone.

Of servers that share a PostgreSQL it lists all that told of themselves within
a day: LAG is how old what they decide by was then, SEEN how long ago that is.
A server is "silent" after 30 seconds.`,
		Example: `  $ caddy merchants status`,
	}
	return leaf(cmd, nil, func(s *session) error {
		return do(s, controlplane.OpSystemStatus, struct{}{}, showStatus)
	})
}

func showStatus(p *printer, out systemStatus) {
	p.row("Version", out.Version+" in Caddy "+out.Caddy)
	p.row("Database", out.Database.Path)
	if out.Problem != "" {
		p.row("Problem", out.Problem)
	}
	p.row("Size", byteSize(out.Database.FileBytes)+", write-ahead log "+byteSize(out.Database.WALBytes))
	p.row("Data directory", out.DataDir)
	p.row("Root key", out.RootKey)
	p.row("Revision", strconv.FormatInt(out.Revision, 10))
	showGateway(p, out)
	showNodes(p, out.Nodes)
}

func showGateway(p *printer, out systemStatus) {
	g := out.Gateway
	if g == nil {
		p.row("Gateway", "not running")
		return
	}
	age := time.Duration(g.AgeMS) * time.Millisecond
	p.row("Gateway", fmt.Sprintf("decides by revision %d, confirmed %s ago", g.Revision, age))
	if !g.RefusesAt.IsZero() {
		p.row("Refuses", "at "+g.RefusesAt.Format(time.RFC3339)+", unless the database confirms it before")
	}
	p.row("Snapshot", fmt.Sprintf("%d keys of %d merchants, %s", g.Keys, g.Merchants, byteSize(g.Bytes)))
	if g.UnreadableKeys > 0 {
		p.row("Unreadable", fmt.Sprintf("%d keys are refused: their secrets do not open; see the log of the server", g.UnreadableKeys))
	}
	if out.Replay != nil {
		p.row("Nonces", out.Replay.String())
	}
	if l := out.RequestLog; l != nil {
		p.row("Request log", fmt.Sprintf("%d requests written, %d of %d wait; counted only: %d dropped, %d of merchants with too many", l.Written, l.Queued, l.Capacity, l.Dropped, l.Limited))
	}
}

// showNodes lists servers that share the database. One alone says nothing new.
func showNodes(p *printer, nodes []nodeStatus) {
	if len(nodes) == 0 || len(nodes) == 1 && nodes[0].ID == "" {
		return
	}
	p.row("")
	p.row("NODE", "ID", "ROLES", "VERSION", "REVISION", "LAG", "SEEN", "STATE")
	for _, n := range nodes {
		var roles []string
		for _, r := range n.Roles {
			roles = append(roles, string(r))
		}
		p.row(n.Name, n.ID, orDash(strings.Join(roles, " ")), n.Version, strconv.FormatInt(n.Revision, 10),
			ago(n.LagMS), ago(n.SilentMS)+" ago", n.words())
	}
}

func ago(ms int64) string { return (time.Duration(ms) * time.Millisecond).Round(time.Second).String() }

// words says what somebody should look at.
func (n nodeStatus) words() string {
	var all []string
	for _, t := range n.Troubles {
		switch t {
		case controlplane.NodeIsSilent:
			all = append(all, "silent")
		case controlplane.NodeLags:
			all = append(all, fmt.Sprintf("lags, %d revisions behind", n.Behind))
		case controlplane.NodeOtherVersion:
			all = append(all, "another version")
		case controlplane.NodeOwnNonces:
			all = append(all, "remembers nonces for itself: use replay redis")
		}
	}
	if n.Answers {
		all = append(all, "answers")
	}
	return orDash(strings.Join(all, ", "))
}

func (r *replayStatus) String() string {
	if r.Redis == nil {
		return fmt.Sprintf("%d of %d remembered, %d requests refused for want of room", r.Live, r.Capacity, r.RefusedFull)
	}
	if r.Redis.Trouble != "" {
		return fmt.Sprintf("requests are refused, %d so far: Redis at %s: %s", r.Redis.Refused, r.Redis.Address, oneLine(r.Redis.Trouble))
	}
	limit := "no limit"
	if r.Redis.MaxBytes > 0 {
		limit = byteSize(r.Redis.MaxBytes)
	}
	return fmt.Sprintf("Redis %s at %s holds %d keys in %s (%s), %d requests refused for want of room, %d for want of an answer",
		r.Redis.Version, r.Redis.Address, r.Live, byteSize(r.Redis.Bytes), limit, r.RefusedFull, r.Redis.Refused)
}

func byteSize(bytes int64) string {
	const kib = 1 << 10
	switch {
	case bytes < kib:
		return fmt.Sprintf("%d B", bytes)
	case bytes < kib*kib:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/kib)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/kib/kib)
}

func backupCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "backup --to <file>", Short: "Copies the database while the server runs",
		Long: `Copies the database to a new file, mode 0600, while the server goes on. It is
checked before it gets its name, and never overwrites a file. A running server
writes it, as its own user.

Secrets in it stay sealed. The root key is not in it: keep a copy of that file
too, somewhere else.`,
		Example: `  $ caddy merchants backup --to /var/backups/merchants-2026-01-31.db`,
	}
	cmd.Flags().StringVar(&to, "to", "", "File to make")
	return localLeaf(cmd, []string{"to"}, func(s *session) error {
		path, err := filepath.Abs(to)
		if err != nil {
			return err
		}
		return do(s, controlplane.OpSystemBackup, backupTo{path}, func(p *printer, out backupDone) { p.row("Backup", out.Path) })
	})
}

// restored is the answer of a restore.
type restored struct {
	Database string `json:"database"`
	// Replaced is where the database lies that was there before.
	Replaced string `json:"replaced,omitempty"`
	Revision int64  `json:"revision"`
}

func restoreCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "restore --from <file>", Short: "Puts a backup in the place of the database",
		Long: `Puts a backup in the place of the database, while the server is stopped. The
backup is checked first, and the database that was there is kept beside it.

Everything is as it was then: keys revoked since work again, users disabled
since may sign in again, keys issued since are gone. Go through 'audit list' of
the replaced database before you start the server.`,
		Example: `  $ caddy merchants restore --from /var/backups/merchants-2026-01-31.db`,
	}
	cmd.Flags().StringVar(&from, "from", "", "Backup to restore")
	return localLeaf(cmd, []string{"from"}, func(s *session) error {
		out, err := s.restore(from)
		if err != nil {
			return err
		}
		s.note("Everything is as it was at the time of the backup: check keys and users that were revoked or disabled since.")
		return printOwn(s, out, showRestored)
	})
}

func showRestored(p *printer, out restored) {
	p.row("Database", out.Database)
	p.row("Replaced", orDash(out.Replaced))
	p.row("Revision", strconv.FormatInt(out.Revision, 10))
}

// restore works on files, so there is nothing that a server could do.
func (s *session) restore(from string) (out restored, err error) {
	c, err := loadCommandConfig(s.config, s.adapter)
	if err != nil {
		return out, err
	}
	config, err := c.nodeConfig(s.cmd.Context())
	if err != nil {
		return out, err
	}
	if err := ownFiles(config.store); err != nil {
		return out, err
	}
	if out.Database, err = config.store.identity(); err != nil {
		return out, err
	}
	if out.Replaced, err = store.RestoreSQLite(s.cmd.Context(), from, out.Database, time.Now()); err != nil {
		return out, err
	}
	out.Revision, err = c.tryOpen(s.cmd.Context())
	if err != nil {
		err = fmt.Errorf("the backup is in place, but it does not open: %w; the replaced database is %s", err, orDash(out.Replaced))
	}
	return out, err
}
