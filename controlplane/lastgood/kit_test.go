package lastgood

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func newRoot(tb testing.TB) *keyring.Root {
	tb.Helper()
	root, err := keyring.CreateRoot(filepath.Join(tb.TempDir(), "root.key"), rand.Reader)
	check(tb, err)
	return root
}

// only is a find for one root.
func only(root *keyring.Root) func(string) (*keyring.Root, error) {
	return func(id string) (*keyring.Root, error) {
		if id != root.ID() {
			return nil, fmt.Errorf("no root key %q", id)
		}
		return root, nil
	}
}

func merchantID(n int) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], uint64(n)*0x9e3779b97f4a7c15)
	return controlplane.FormatID(controlplane.PrefixMerchant, raw)
}

func keyID(n int) string { return fmt.Sprintf("unk_live_%022d", n) }

// filled has n merchants with a key and an allowlist each.
func filled(tb testing.TB, n int, revision int64) *controlplane.Snapshot {
	tb.Helper()
	e := controlplane.NewSnapshot().Edit()
	list := []controlplane.AllowedPrefix{{Row: 1, Prefix: netip.MustParsePrefix("203.0.113.0/24")}, {Row: 2, Prefix: netip.MustParsePrefix("2001:db8::/32")}}
	secret := []byte("unks_live_secret")
	for i := range n {
		check(tb, e.SetMerchant(controlplane.MerchantRecord{ID: merchantID(i), State: controlplane.MerchantActive, Allowlist: list}))
		m, err := controlplane.NewKeyMaterial(controlplane.Live, append(secret, byte(i), byte(i>>8)))
		check(tb, err)
		k := controlplane.KeyRecord{ID: keyID(i), MerchantID: merchantID(i), Environment: controlplane.Live, State: controlplane.KeyActive}
		check(tb, e.SetKey(k, m))
	}
	return e.Snapshot(revision)
}

const source = "postgres://db.example/control"

func recordOf(tb testing.TB, n int) Record {
	at := time.Date(2026, 11, 23, 12, 0, 0, 123000, time.UTC)
	return Record{Source: source, Snapshot: filled(tb, n, 42), ContactAt: at, DataKeys: []controlplane.DataKey{
		{ID: 1, Purpose: controlplane.PurposeAPISecret, RootID: "0123456789abcdef", Wrapped: bytes.Repeat([]byte{7}, 61), CreatedAt: at.Add(-time.Hour)},
		{ID: 9, Purpose: controlplane.PurposeWebhookSecret, RootID: "0123456789abcdef", Wrapped: []byte{1}, CreatedAt: at},
	}}
}
