package controlplane

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxImportLines is more than an allowlist holds, so that one with remarks and what is
// there already fits.
const maxImportLines = 500

// ImportLine is one line of a pasted list that holds a range.
type ImportLine struct {
	// Number counts the lines of the text from 1.
	Number int          `json:"number"`
	Text   string       `json:"text"`
	Prefix netip.Prefix `json:"cidr,omitzero"`
	Note   string       `json:"note,omitempty"`
	// Present: the allowlist has the range, so the line changes nothing.
	Present bool `json:"present,omitempty"`
	// Problem is what is wrong with the line; nil: nothing.
	Problem *FieldError `json:"problem,omitempty"`
}

// parseImport reads a pasted list: on each line an address or a range, and behind
// spaces, a tab, a comma or a semicolon the note, which is otherwise the given one.
// Lines without a range, empty or behind a #, are left out. What is wrong is said line
// by line.
func (s *Service) parseImport(text, note string) []ImportLine {
	var lines []ImportLine
	seen := map[netip.Prefix]bool{}
	number := 0
	for raw := range strings.Lines(text) {
		number++
		raw = strings.TrimSpace(raw)
		if raw == "" || strings.HasPrefix(raw, "#") {
			continue
		}
		line := s.parseImportLine(raw, note)
		line.Number = number
		if line.Problem == nil && seen[line.Prefix] {
			line.Problem = &FieldError{Field: "cidr", Message: "stands on an earlier line too", Rule: "twice"}
		}
		seen[line.Prefix] = true
		if len(lines) == maxImportLines {
			line.Problem = &FieldError{Field: "text", Message: fmt.Sprintf("is beyond the %d lines that are read at once", maxImportLines), Rule: "too_long", Args: []string{"n", strconv.Itoa(maxImportLines)}}
			return append(lines, line)
		}
		lines = append(lines, line)
	}
	return lines
}

func (s *Service) parseImportLine(raw, note string) ImportLine {
	line := ImportLine{Text: cut(raw), Note: note}
	cidr := raw
	if i := strings.IndexAny(raw, " \t,;"); i >= 0 {
		cidr = raw[:i]
		if own := strings.TrimSpace(strings.TrimLeft(raw[i:], " \t,;")); own != "" {
			line.Note = own
		}
	}
	prefix, err := ParseAllowlistCIDR(cidr, s.rules.AllowPrivateRanges)
	var wrong *Error
	if errors.As(err, &wrong) {
		line.Problem = &wrong.Fields[0]
		return line
	}
	line.Prefix = prefix
	switch {
	case line.Note == "":
		line.Problem = &FieldError{Field: "note", Message: "is missing: whose address is it?", Rule: "required"}
	case !printable(line.Note, 1, 200):
		line.Problem = &FieldError{Field: "note", Message: "must be 1 to 200 printable characters", Rule: "note"}
	}
	return line
}

// cut bounds what is repeated of a line.
func cut(text string) string {
	const most = 120
	text = strings.ToValidUTF8(text, "?")
	for i := range text {
		if i >= most {
			return text[:i] + "…"
		}
	}
	return text
}
