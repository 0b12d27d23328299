package caddymodule

import (
	"net/netip"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// readDelivery reads the block of the merchants app:
//
//	delivery {
//		workers                <n>
//		per_endpoint           <n>
//		memory                 <size>
//		allowed_ports          <port...>
//		allowed_private_ranges <cidr...>
//		trusted_ca_certs       <file...>
//	}
func readDelivery(d *caddyfile.Dispenser) (*Delivery, error) {
	v := new(Delivery)
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	return v, readBlock(d, "delivery", options{
		"workers":       func(d *caddyfile.Dispenser) error { return readSmallCount(d, maxWorkers, &v.Workers) },
		"per_endpoint":  func(d *caddyfile.Dispenser) error { return readSmallCount(d, maxPerEndpoint, &v.PerEndpoint) },
		"memory":        func(d *caddyfile.Dispenser) error { return readSize(d, &v.Memory) },
		"allowed_ports": func(d *caddyfile.Dispenser) error { return readPorts(d, &v.AllowedPorts) },
		"allowed_private_ranges": func(d *caddyfile.Dispenser) error {
			return readRanges(d, &v.AllowedPrivateRanges)
		},
		"trusted_ca_certs": func(d *caddyfile.Dispenser) error {
			if v.TrustedCACerts = d.RemainingArgs(); len(v.TrustedCACerts) == 0 {
				return d.ArgErr()
			}
			return nil
		},
	})
}

// readSmallCount reads 1 to most.
func readSmallCount(d *caddyfile.Dispenser, most int, into *int) error {
	name, text := d.Val(), ""
	if err := readText(d, &text); err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return d.Errf("%s: %q is not a number from 1 to %d", name, text, most)
	}
	*into = n
	return nil
}

func readPorts(d *caddyfile.Dispenser, into *[]uint16) error {
	name, texts := d.Val(), d.RemainingArgs()
	if len(texts) == 0 {
		return d.ArgErr()
	}
	for _, text := range texts {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return d.Errf("%s: %q is not a port; write numbers like 443 8443", name, text)
		}
		*into = append(*into, uint16(port))
	}
	return nil
}

func readRanges(d *caddyfile.Dispenser, into *[]netip.Prefix) error {
	name, texts := d.Val(), d.RemainingArgs()
	if len(texts) == 0 {
		return d.ArgErr()
	}
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return d.Errf("%s: %q is not a range; write one like 10.0.0.0/8", name, text)
		}
		*into = append(*into, p)
	}
	return nil
}
