package controlplane

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

func TestWhatIsPackedComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune(base62)), 1, 60, -1).Draw(t, "text")
		packed := make([]byte, (len(text)*6+7)/8)
		pack6(packed, text)
		got := make([]byte, len(text))
		if unpack6(got, packed); string(got) != text {
			t.Fatalf("%q came back as %q", text, got)
		}
	})
}

func TestPackedSecretSignsAsTheSecretDoes(t *testing.T) {
	for seed := range byte(100) {
		env := []Environment{Live, Test}[seed%2]
		secret, err := newSecret(env, rand.NewChaCha8([32]byte{seed}))
		must(t, err)
		m := material(t, env, secret.Reveal())
		want, err := signature.NewMACKey([]byte(secret.Reveal()))
		must(t, err)
		if m.odd || macOf(env, &m.secret) != want || string(appendSecret(nil, env, &m.secret)) != secret.Reveal() {
			t.Fatalf("a secret of %s was kept as another", env)
		}
	}
}

// A secret that the packing cannot give back to the letter must be kept in another way.
func TestSecretOfAnotherFormIsNotPacked(t *testing.T) {
	secret, err := newSecret(Live, rand.NewChaCha8([32]byte{1}))
	must(t, err)
	good := []byte(secret.Reveal())
	for i := range good {
		for _, c := range []byte{0, '/', ':', '@', '[', '`', '{', 0xff, '0', 'z'} {
			changed := bytes.Clone(good)
			if changed[i] = c; bytes.Equal(changed, good) {
				continue
			}
			packed, ok := packSecret(Live, changed)
			if ok && !bytes.Equal(appendSecret(nil, Live, &packed), changed) {
				t.Fatalf("with %q at %d it comes back as another", c, i)
			}
		}
	}
	for _, other := range [][]byte{nil, good[1:], append(bytes.Clone(good), '0')} {
		if _, ok := packSecret(Live, other); ok {
			t.Errorf("%d bytes are packed", len(other))
		}
	}
	if _, ok := packSecret(Test, good); ok {
		t.Error("a live secret is packed for a test key")
	}
	if macOf(Live, new([packedSecret]byte)) != (signature.MACKey{}) {
		t.Error("no secret is a key")
	}
}

func BenchmarkCredentialMAC(b *testing.B) {
	secret, err := newSecret(Live, rand.NewChaCha8([32]byte{1}))
	must(b, err)
	e := NewSnapshot().Edit()
	must(b, e.SetMerchant(MerchantRecord{ID: testMerchantID(1), State: MerchantActive}))
	must(b, e.SetKey(testKey(Live, 1, 1, KeyActive), material(b, Live, secret.Reveal())))
	c, _ := e.Snapshot(1).Key(testKeyID(Live, 1))
	b.ReportAllocs()
	for b.Loop() {
		c.MAC()
	}
}
