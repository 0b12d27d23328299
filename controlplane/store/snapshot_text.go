package store

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func readMerchants(c chunk, prefixes *arena[controlplane.AllowedPrefix], fn func(controlplane.MerchantRecord) error) error {
	for c.lines != "" {
		var line string
		line, c.lines = nextLine(c.lines)
		m, err := merchantOf(line, prefixes)
		if err != nil {
			return fmt.Errorf("merchant %s: %w", m.ID, err)
		}
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}

func readKeys(c chunk, fn func(controlplane.KeyRecord) error) error {
	for c.lines != "" {
		var line string
		line, c.lines = nextLine(c.lines)
		k, length, err := keyOf(line)
		if err == nil && length > len(c.secrets) {
			err = fmt.Errorf("its secret has %d bytes, not %d", len(c.secrets), length)
		}
		if err != nil {
			return fmt.Errorf("api key %s: %w", k.ID, err)
		}
		k.SealedSecret, c.secrets = c.secrets[:length:length], c.secrets[length:]
		if err := fn(k); err != nil {
			return err
		}
	}
	return nil
}

// merchantOf reads "id state revision", followed by " row cidr" for each entry of the
// allowlist.
func merchantOf(line string, prefixes *arena[controlplane.AllowedPrefix]) (m controlplane.MerchantRecord, err error) {
	var state, revision string
	m.ID, line = nextWord(line)
	state, line = nextWord(line)
	revision, line = nextWord(line)
	m.State = controlplane.MerchantState(state)
	if m.Revision, err = strconv.ParseInt(revision, 10, 64); err != nil {
		return m, fmt.Errorf("its revision: %w", err)
	}
	m.Allowlist, err = prefixesOf(line, prefixes)
	return m, err
}

// prefixesOf reads "row cidr row cidr".
func prefixesOf(text string, to *arena[controlplane.AllowedPrefix]) ([]controlplane.AllowedPrefix, error) {
	var few [8]controlplane.AllowedPrefix // on the stack
	list := few[:0]
	for text != "" {
		var row, cidr string
		row, text = nextWord(text)
		cidr, text = nextWord(text)
		n, err := strconv.ParseInt(row, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("its allowlist: %w", err)
		}
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			return nil, fmt.Errorf("its allowlist: %w", err)
		}
		list = append(list, controlplane.AllowedPrefix{Row: n, Prefix: p})
	}
	return to.clone(list), nil
}

// keyOf reads "id merchant environment state retirement revision length", of which the
// last is the number of bytes of its secret.
func keyOf(line string) (k controlplane.KeyRecord, length int, err error) {
	var environment, state, retireAt, revision string
	k.ID, line = nextWord(line)
	k.MerchantID, line = nextWord(line)
	environment, line = nextWord(line)
	state, line = nextWord(line)
	retireAt, line = nextWord(line)
	revision, line = nextWord(line)
	k.Environment, k.State = controlplane.Environment(environment), controlplane.KeyState(state)
	at, err := strconv.ParseInt(retireAt, 10, 64)
	if err != nil {
		return k, 0, fmt.Errorf("its end: %w", err)
	}
	k.RetireAt = fromMicros(at)
	if k.Revision, err = strconv.ParseInt(revision, 10, 64); err != nil {
		return k, 0, fmt.Errorf("its revision: %w", err)
	}
	n, err := strconv.ParseUint(line, 10, 31)
	if err != nil {
		return k, 0, fmt.Errorf("the length of its secret: %w", err)
	}
	return k, int(n), nil
}

func nextLine(s string) (line, rest string) {
	line, rest, _ = strings.Cut(s, "\n")
	return line, rest
}

// nextWord is a loop: words are too short for what searches faster.
func nextWord(s string) (word, rest string) {
	for i := range len(s) {
		if s[i] == ' ' {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// arena copies slices into blocks, an allocation for hundreds of them.
type arena[T any] struct{ block []T }

const arenaBlock = 4096

func (a *arena[T]) clone(s []T) []T {
	if len(s) > cap(a.block)-len(a.block) {
		a.block = make([]T, 0, max(arenaBlock, len(s)))
	}
	from := len(a.block)
	a.block = append(a.block, s...)
	return a.block[from:len(a.block):len(a.block)]
}
