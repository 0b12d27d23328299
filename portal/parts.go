package portal

import (
	"strings"
)

// badge is a word with a colour: good, warn, bad, test or nothing. Label is a key
// of the catalogue.
type badge struct{ Tone, Label string }

// empty stands where a list has no rows: what is missing and what to do next,
// both keys of the catalogue.
type empty struct{ Icon, What, Next string }

// question is asked before something stops working; What and Yes are keys of the
// catalogue.
type question struct{ ID, What, Yes string }

// ask makes a question in a template.
func ask(id, what, yes string) question { return question{id, what, yes} }

// device is what people recognise in a User-Agent.
type device struct{ Browser, System string }

// named is a mark in a User-Agent and what people call it.
type named struct{ mark, name string }

// parseDevice names browser and system. Browsers pretend to be each other, so the
// order matters: the impostor's own mark comes first.
func parseDevice(userAgent string) device {
	browsers := []named{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS", "Firefox"},
		{"CriOS", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	}
	systems := []named{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	}
	return device{firstNamed(userAgent, browsers), firstNamed(userAgent, systems)}
}

func firstNamed(text string, names []named) string {
	for _, n := range names {
		if strings.Contains(text, n.mark) {
			return n.name
		}
	}
	return ""
}
