package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// The allowlist arrives as one text per merchant, "row cidr row cidr": a row of a
// result costs about a microsecond in the driver, and most merchants have several
// entries. A key arrives as one text and its secret, which no text may hold: a
// column costs 60 ns, so that seven took 1.05 s for a million keys, and two take
// 0.65 s. Everything is read without the revision's index, which would visit the
// table row by row: that saved a fifth of the time for a million keys.
const (
	sqlSnapshotSize = `SELECT (SELECT count(*) FROM merchants), (SELECT count(*) FROM api_keys WHERE state = 'active')`

	sqlSnapshotMerchants = `SELECT id, state, revision,
			COALESCE((SELECT string_agg(row_id || ' ' || cidr, ' ') FROM allowlist_entries WHERE merchant_id = merchants.id), '')
		FROM merchants`
	sqlSnapshotMerchantsAfter = `SELECT id, state, revision,
			COALESCE((SELECT string_agg(row_id || ' ' || cidr, ' ') FROM allowlist_entries WHERE merchant_id = merchants.id), '')
		FROM merchants WHERE revision > $1`
	sqlSnapshotKeys = `SELECT id || ' ' || merchant_id || ' ' || environment || ' ' || state || ' ' || retire_at || ' ' || revision, secret
		FROM api_keys WHERE state = 'active' OR retire_at >= $1`
	sqlSnapshotKeysAfter = `SELECT id || ' ' || merchant_id || ' ' || environment || ' ' || state || ' ' || retire_at || ' ' || revision, secret
		FROM api_keys WHERE (state = 'active' OR retire_at >= $1) AND revision > $2`
)

func (t *tx) SnapshotSize(ctx context.Context) (merchants, keys int, err error) {
	type size struct{ merchants, keys int }
	s, err := one(ctx, t, "merchants and api keys", func(r scanner, s *size) error { return r.Scan(&s.merchants, &s.keys) }, sqlSnapshotSize)
	return s.merchants, s.keys, err
}

func (t *tx) SnapshotMerchants(ctx context.Context, after int64, fn func(controlplane.MerchantRecord) error) error {
	query, args := sqlSnapshotMerchants, []any(nil)
	if after >= 0 {
		query, args = sqlSnapshotMerchantsAfter, []any{after}
	}
	var (
		allowlist sql.RawBytes
		prefixes  []controlplane.AllowedPrefix
	)
	return t.each(ctx, "merchants", query, args, func(r *sql.Rows) error {
		var m controlplane.MerchantRecord
		// Plain strings: for a type of its own Scan falls back to reflection.
		err := r.Scan(&m.ID, (*string)(&m.State), &m.Revision, &allowlist)
		if err != nil {
			return t.fail("merchants", err)
		}
		if prefixes, err = appendPrefixes(prefixes[:0], allowlist); err != nil {
			return fmt.Errorf("allowlist of %s: %w", m.ID, err)
		}
		m.Allowlist = prefixes
		return fn(m)
	})
}

func (t *tx) SnapshotKeys(ctx context.Context, after int64, cutoff time.Time, fn func(controlplane.KeyRecord) error) error {
	query, args := sqlSnapshotKeys, []any{micros(cutoff)}
	if after >= 0 {
		query, args = sqlSnapshotKeysAfter, append(args, after)
	}
	var sealed sql.RawBytes
	var text string
	return t.each(ctx, "api keys", query, args, func(r *sql.Rows) error {
		if err := r.Scan(&text, &sealed); err != nil {
			return t.fail("api keys", err)
		}
		k, err := keyOf(text)
		if err != nil {
			return fmt.Errorf("api key %s: %w", k.ID, err)
		}
		k.SealedSecret = sealed
		return fn(k)
	})
}

// keyOf reads "id merchant environment state retirement revision".
func keyOf(text string) (k controlplane.KeyRecord, err error) {
	var environment, state, retireAt string
	k.ID, text = nextWord(text)
	k.MerchantID, text = nextWord(text)
	environment, text = nextWord(text)
	state, text = nextWord(text)
	retireAt, text = nextWord(text)
	k.Environment, k.State = controlplane.Environment(environment), controlplane.KeyState(state)
	at, err := strconv.ParseInt(retireAt, 10, 64)
	if err != nil {
		return k, fmt.Errorf("its end: %w", err)
	}
	k.RetireAt = fromMicros(at)
	if k.Revision, err = strconv.ParseInt(text, 10, 64); err != nil {
		return k, fmt.Errorf("its revision: %w", err)
	}
	return k, nil
}

// appendPrefixes reads "row cidr row cidr".
func appendPrefixes(to []controlplane.AllowedPrefix, text []byte) ([]controlplane.AllowedPrefix, error) {
	for rest := string(text); rest != ""; {
		var row, cidr string
		row, rest = nextWord(rest)
		cidr, rest = nextWord(rest)
		n, err := strconv.ParseInt(row, 10, 64)
		if err != nil {
			return nil, err
		}
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			return nil, err
		}
		to = append(to, controlplane.AllowedPrefix{Row: n, Prefix: p})
	}
	return to, nil
}

func nextWord(s string) (word, rest string) {
	for i := range len(s) {
		if s[i] == ' ' {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
