package caddymodule

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

const cliDocs = "../docs/cli.md"

// TestCLIReference holds docs/cli.md to what the commands say of themselves.
// UPDATE_SCRIPTS=1 writes it anew.
func TestCLIReference(t *testing.T) {
	want := cliReference(merchantsTree(t))
	if os.Getenv("UPDATE_SCRIPTS") != "" {
		if err := os.WriteFile(cliDocs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(cliDocs)
	if err != nil || string(have) != want {
		t.Errorf("docs/cli.md is not what the commands say (%v); write it anew: UPDATE_SCRIPTS=1 go test -run TestCLIReference ./caddymodule/", err)
	}
}

// TestEveryCommandExplainsItself: what a person at a terminal can count on.
func TestEveryCommandExplainsItself(t *testing.T) {
	eachLeaf(merchantsTree(t), func(c *cobra.Command) {
		path := c.CommandPath()
		if c.Short == "" || c.Long == "" || !strings.Contains(c.Example, "$ "+path) {
			t.Errorf("%s lacks a short text, a long text or an example of itself", path)
		}
		if c.Flags().Lookup("json") == nil {
			t.Errorf("%s has no --json", path)
		}
		for _, line := range strings.Split(c.Long, "\n") {
			if len(line) > 82 {
				t.Errorf("%s: a line of the help is wider than a terminal: %s", path, line)
			}
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s has no text", path, f.Name)
			}
		})
	})
}

func merchantsTree(t *testing.T) *cobra.Command {
	t.Helper()
	registered, ok := caddycmd.Commands()["merchants"]
	if !ok {
		t.Fatal("the command is not registered")
	}
	root := &cobra.Command{Use: "caddy"}
	cmd := &cobra.Command{Use: registered.Name + " " + registered.Usage, Short: registered.Short, Long: strings.TrimSpace(registered.Long)}
	registered.CobraFunc(cmd)
	root.AddCommand(cmd)
	return cmd
}

func eachLeaf(c *cobra.Command, do func(*cobra.Command)) {
	for _, child := range c.Commands() {
		eachLeaf(child, do)
	}
	if !c.HasSubCommands() {
		do(c)
	}
}

// commonFlags are told once.
const (
	commonFlags = " config adapter address json "
	remoteFlags = " server token-file ca-file "
)

func cliReference(merchants *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# caddy merchants\n\n<!-- Made from the commands' own help by TestCLIReference. -->\n\n" + merchants.Long + "\n\n")
	b.WriteString(examples(merchants))
	b.WriteString("Every command takes `--json`, and all but `sign` take the flags that say where the server and its data are:\n\n")
	var first *cobra.Command
	eachLeaf(merchants, func(c *cobra.Command) {
		if first == nil && c.Flags().Lookup("config") != nil {
			first = c
		}
	})
	b.WriteString(flagTable(first, func(f *pflag.Flag) bool { return isOneOf(commonFlags, f) }))
	b.WriteString("Those that are not said to work on the machine of the server only also ask a server elsewhere, by its [admin API](admin-api.md):\n\n")
	b.WriteString(flagTable(first, func(f *pflag.Flag) bool { return isOneOf(remoteFlags, f) }))
	eachLeaf(merchants, func(c *cobra.Command) {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n```\n%s\n```\n\n", strings.TrimPrefix(c.CommandPath(), "caddy merchants "), c.Long, strings.TrimSuffix(c.UseLine(), " [flags]"))
		if server := c.Flags().Lookup("server"); server != nil && server.Hidden {
			b.WriteString("Works on the machine of the server only.\n\n")
		}
		b.WriteString(flagTable(c, func(f *pflag.Flag) bool { return !isOneOf(commonFlags+remoteFlags, f) }))
		b.WriteString(examples(c))
	})
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func isOneOf(names string, f *pflag.Flag) bool { return strings.Contains(names, " "+f.Name+" ") }

func flagTable(c *cobra.Command, include func(*pflag.Flag) bool) string {
	var rows strings.Builder
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || !include(f) {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name += ", `-" + f.Shorthand + "`"
		}
		text := f.Usage
		if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "false" && f.DefValue != "[]" {
			text += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(&rows, "| %s | %s |\n", name, strings.ReplaceAll(text, "|", `\|`))
	})
	if rows.Len() == 0 {
		return ""
	}
	return "| flag | |\n|---|---|\n" + rows.String() + "\n"
}

func examples(c *cobra.Command) string {
	lines := strings.Split(c.Example, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  $ ")
	}
	return "```sh\n" + strings.Join(lines, "\n") + "\n```\n\n"
}
