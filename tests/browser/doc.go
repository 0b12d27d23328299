// Package browser uses the portal as people do: Debian's Chromium, the command
// line and signed requests, against the built binary with the demo's configuration.
// It is a module of its own, so that what drives a browser is no dependency of the
// product, and imports nothing of it: whatever it knows, a merchant could know.
package browser
