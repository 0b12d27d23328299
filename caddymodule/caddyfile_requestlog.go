package caddymodule

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// readRequestLog reads the option of the merchants app:
//
//	request_log off
//	request_log {
//		sample <share>
//		queue  <n>
//	}
func readRequestLog(d *caddyfile.Dispenser) (*RequestLog, error) {
	c := new(RequestLog)
	if d.NextArg() {
		if d.Val() != "off" {
			return nil, d.Errf(`request_log: %q is neither "off" nor a block`, d.Val())
		}
		c.Off = true
		if d.NextArg() {
			return nil, d.ArgErr()
		}
	}
	return c, readBlock(d, "request_log", options{
		"sample": func(d *caddyfile.Dispenser) error { return readShare(d, &c.Sample) },
		"queue":  func(d *caddyfile.Dispenser) error { return readSmallCount(d, maxLogQueue, &c.Queue) },
	})
}

// readShare reads a share such as 1% or 0.01.
func readShare(d *caddyfile.Dispenser, into **float64) error {
	name, text := d.Val(), ""
	if err := readText(d, &text); err != nil {
		return err
	}
	number, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share >= 0 && share <= 1) {
		return d.Errf("%s: %q is not a share; write one like 1%% or 0.01", name, text)
	}
	*into = &share
	return nil
}
