package caddymodule

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// options are the lines that a block may have, by their first word. Each may be
// there once.
type options map[string]func(*caddyfile.Dispenser) error

// readBlock reads the block that follows, if one does. Its errors name the
// options that there are.
func readBlock(d *caddyfile.Dispenser, of string, all options) error {
	seen := map[string]bool{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		read, ok := all[name]
		switch {
		case !ok && len(all) == 0:
			return d.Errf("%s has no options, so there is no %q", of, name)
		case !ok:
			return d.Errf("%s has no option %q; it has: %s", of, name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		case seen[name]:
			return d.Errf("%s is given twice", name)
		}
		seen[name] = true
		if err := read(d); err != nil {
			return err
		}
	}
	return nil
}

// readText reads the one argument of an option.
func readText(d *caddyfile.Dispenser, into *string) error {
	if !d.AllArgs(into) || *into == "" {
		return d.ArgErr()
	}
	return nil
}

// readFlag reads an option that is on by being there.
func readFlag(d *caddyfile.Dispenser, into *bool) error {
	*into = true
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

// readSize reads a number of bytes, such as 512KiB or 1MB.
func readSize(d *caddyfile.Dispenser, into *int64) error {
	name, text := d.Val(), ""
	if err := readText(d, &text); err != nil {
		return err
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > 1<<50 {
		return d.Errf("%s: %q is not a size; write one like 512KiB or 1MiB", name, text)
	}
	*into = int64(n)
	return nil
}

func readDuration(d *caddyfile.Dispenser, into *caddy.Duration) error {
	name, text := d.Val(), ""
	if err := readText(d, &text); err != nil {
		return err
	}
	return parseDuration(d, name, text, into)
}

// longestDuration is what nobody means to go beyond.
const longestDuration = 10 * 365 * 24 * time.Hour

func parseDuration(d *caddyfile.Dispenser, name, text string, into *caddy.Duration) error {
	t, err := caddy.ParseDuration(text)
	if err != nil || t <= 0 || t > longestDuration {
		return d.Errf("%s: %q is not a duration; write one like 30s, 5m or 30d", name, text)
	}
	*into = caddy.Duration(t)
	return nil
}

func readCount(d *caddyfile.Dispenser, into *int64) error {
	name, text := d.Val(), ""
	if err := readText(d, &text); err != nil {
		return err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return d.Errf("%s: %q is not a number; write one like 1000000", name, text)
	}
	*into = n
	return nil
}
