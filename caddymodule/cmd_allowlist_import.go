package caddymodule

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	maxImport = 60 << 10 // bytes: what fits into a request of the admin API
	// maxWrongLines are named by an error, which is one line.
	maxWrongLines = 5
)

func allowlistImportCommand() *cobra.Command {
	var in importInput
	var file string
	cmd := &cobra.Command{
		Use: "import --merchant <id> --file <file> [--note <text>] [--dry-run]", Short: "Lets a list of addresses and ranges in",
		Long: `Lets every address and range of a list in, all or none. On each line stands a
range, and its note behind it (after a space, a tab, a comma or a semicolon);
--note is for the lines without one. Lines that begin with # are left out, and
ranges that are there already change nothing.

With --dry-run it only says of each line what it would do, and what is wrong
with it. The exit status is 0 either way.`,
		Example: `  $ caddy merchants allowlist import --merchant mer_… --file addresses.txt --dry-run
  $ caddy merchants allowlist import --merchant mer_… --file - --note "their office" < addresses.txt`,
	}
	merchantFlag(cmd, &in.MerchantID)
	cmd.Flags().StringVar(&file, "file", "", `File with the list, or "-" for standard input`)
	cmd.Flags().StringVar(&in.Note, "note", "", "Note of the lines without one")
	cmd.Flags().BoolVar(&in.DryRun, "dry-run", false, "Say what each line would do, and change nothing")
	return eyesLeaf(cmd, []string{"merchant", "file"}, func(s *session) error {
		text, err := s.readFile(file, maxImport)
		if err != nil {
			return fmt.Errorf("--file: %w", err)
		}
		// It travels inside JSON, which would put something else in its place.
		if !utf8.Valid(text) {
			return errors.New("--file: is not text in UTF-8")
		}
		in.Text = string(text)
		return fewLines(do(s, controlplane.OpAllowlistImport, in, showImported))
	})
}

// fewLines leaves a few of the lines that are wrong in an error.
func fewLines(err error) error {
	var e *controlplane.Error
	if !errors.As(err, &e) || len(e.Fields) <= maxWrongLines {
		return err
	}
	few := *e
	few.Message += ", of which these are the first (--dry-run shows all)"
	few.Fields = e.Fields[:maxWrongLines]
	return &few
}

func showImported(p *printer, out imported) {
	p.row("LINE", "RANGE", "NOTE", "DOES")
	for _, l := range out.Lines {
		switch {
		case l.Problem != nil:
			p.row(strconv.Itoa(l.Number), l.Text, "", "wrong: "+l.Problem.Field+" "+l.Problem.Message)
		case l.Present:
			p.row(strconv.Itoa(l.Number), l.Prefix.String(), l.Note, "nothing: it is there")
		default:
			p.row(strconv.Itoa(l.Number), l.Prefix.String(), l.Note, "adds it")
		}
	}
	p.row("")
	if out.DryRun {
		p.row("Would be added", strconv.Itoa(out.Added))
		p.row("Wrong", strconv.Itoa(out.Wrong))
		return
	}
	p.row("Added", strconv.Itoa(out.Added))
	p.applied(out.applied)
}
