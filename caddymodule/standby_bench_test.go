package caddymodule

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
	"github.com/unknownpay/merchant-gateway/controlplane/lastgood"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// BenchmarkStartWithoutDatabase is from the start of the server to the answer to its
// first request, by a last known good snapshot with STANDBY_BENCH_KEYS keys.
func BenchmarkStartWithoutDatabase(b *testing.B) {
	n := 10_000
	if text := os.Getenv("STANDBY_BENCH_KEYS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		check(b, err)
	}
	s := startSite(b)
	s.stop()
	away := "postgres://gateway@" + freePort(b) + "/merchants?sslmode=disable"
	s.store = fmt.Sprintf("store postgres %s {\nlast_known_good %s\n}\nkeyring %s\nreplay memory %s", away, s.path("kept"), s.path("root.key"), s.dir)
	root, err := keyring.CreateRoot(s.path("root.key"), rand.Reader)
	check(b, err)
	source, err := (&PostgresStore{URL: away}).identity()
	check(b, err)
	snapshot, m := manyKeys(b, n)
	check(b, lastgood.Write(s.path("kept"), root, lastgood.Record{Source: source, Snapshot: snapshot, ContactAt: time.Now()}, rand.Reader))
	b.ResetTimer()
	for range b.N {
		check(b, s.load())
		if a := s.do(s.request(m, "GET", "/", "")); a.status != 200 {
			b.Fatalf("%d %s", a.status, a.body)
		}
		b.StopTimer()
		s.stop()
		b.StartTimer()
	}
	b.StopTimer()
	s.store = ""
	check(b, s.load()) // the end stops a site that runs
}

// manyKeys has n merchants with a key each, and the last of them.
func manyKeys(b *testing.B, n int) (*controlplane.Snapshot, merchant) {
	b.Helper()
	e := controlplane.NewSnapshot().Edit()
	list := []controlplane.AllowedPrefix{{Row: 1, Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Row: 2, Prefix: netip.MustParsePrefix("203.0.113.0/24")}}
	var m merchant
	for i := range n {
		var err error
		if m.id, err = controlplane.NewID(controlplane.PrefixMerchant, time.Now(), rand.Reader); err != nil {
			b.Fatal(err)
		}
		m.keyID, m.secret = fmt.Sprintf("unk_live_%022d", i), fmt.Sprintf("unks_live_%043d", i)
		check(b, e.SetMerchant(controlplane.MerchantRecord{ID: m.id, State: controlplane.MerchantActive, Allowlist: list}))
		material, err := controlplane.NewKeyMaterial(controlplane.Live, bytes.Clone([]byte(m.secret)))
		check(b, err)
		check(b, e.SetKey(controlplane.KeyRecord{ID: m.keyID, MerchantID: m.id, Environment: controlplane.Live, State: controlplane.KeyActive}, material))
	}
	var err error
	m.signer, err = signature.NewSigner(m.keyID, m.secret)
	check(b, err)
	return e.Snapshot(1), m
}
