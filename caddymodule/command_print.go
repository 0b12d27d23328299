package caddymodule

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// printer writes answers for people: aligned columns, times in UTC.
type printer struct {
	w *tabwriter.Writer
	// offline: no gateway has seen the change.
	offline bool
}

func (s *session) print(show func(*printer)) error {
	p := &printer{tabwriter.NewWriter(s.cmd.OutOrStdout(), 0, 0, 2, ' ', 0), s.offline}
	show(p)
	return p.w.Flush()
}

// row prints one line of a table, or a name and its value. Texts were typed by
// people, some of them strangers: what could steer a terminal does not get
// through. The writer keeps errors for Flush.
func (p *printer) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return unicode.ReplacementChar
			}
			return r
		}, c)
	}
	_, _ = io.WriteString(p.w, strings.Join(cells, "\t")+"\n") // Flush reports it
}

// applied says whether a change is in force.
func (p *printer) applied(a applied) {
	switch {
	case p.offline:
		p.row("Gateway", fmt.Sprintf("not running; revision %d counts from its next start", a.Revision))
	case a.Enforced:
		p.row("Gateway", fmt.Sprintf("enforces revision %d", a.Revision))
	default:
		p.row("Gateway", fmt.Sprintf("does not enforce revision %d yet; see \"caddy merchants status\" and the log of the server", a.Revision))
	}
}

// more says how to go on with a listing that was cut.
func (p *printer) more(flag, next string) {
	if next != "" && next != "0" {
		p.row("")
		p.row("There may be more: add " + flag + " " + next)
	}
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func yesNo(it bool) string { return map[bool]string{true: "yes", false: "no"}[it] }

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
