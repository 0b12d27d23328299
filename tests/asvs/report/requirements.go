package main

import (
	_ "embed"
	"strings"
)

// requirementsText has a line for each requirement, in the order of the standard: its
// id, a tab, and what it asks for in our words. A deviation follows on a line of its
// own that starts with a tab.
//
//go:embed requirements.txt
var requirementsText string

type requirement struct {
	id, what string
	// deviation says what is done otherwise, and why; empty: nothing is.
	deviation string
}

func requirements() (all []requirement) {
	for line := range strings.Lines(requirementsText) {
		id, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if id == "" {
			all[len(all)-1].deviation = text
			continue
		}
		all = append(all, requirement{id: id, what: text})
	}
	return all
}

func chapters() map[string]string {
	return map[string]string{
		"3": "Web frontend security", "4": "API and web service", "6": "Authentication", "7": "Session management",
		"8": "Authorization", "14": "Data protection", "16": "Logging and error handling",
	}
}
