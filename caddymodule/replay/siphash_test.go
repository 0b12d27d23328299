package replay

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var vectorKey = sipKey{k0: 0x0706050403020100, k1: 0x0f0e0d0c0b0a0908}

// plain hashes one message the way the published vectors do.
func (k sipKey) plain(text string) digest {
	s := k.start()
	s.words(text)
	return s.finish(tailWord(text) | uint64(len(text))<<56)
}

func (d digest) String() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], d.lo)
	binary.LittleEndian.PutUint64(b[8:], d.hi)
	return hex.EncodeToString(b[:])
}

// The 64 vectors of the reference implementation: message i is the bytes 0, 1, … i-1.
func TestSipHashMatchesThePublishedVectors(t *testing.T) {
	file, err := os.ReadFile("testdata/siphash-2-4-128.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(file))
	if len(want) != 64 {
		t.Fatalf("%d vectors, want 64", len(want))
	}
	var message strings.Builder
	for i, w := range want {
		if got := vectorKey.plain(message.String()).String(); got != w {
			t.Errorf("vector %d: got %s, want %s", i, got, w)
		}
		message.WriteByte(byte(i))
	}
}

func TestSumIsSipHashOfTheFramedPair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keyID, nonce := rapid.String().Draw(t, "key"), rapid.String().Draw(t, "nonce")
		framed := binary.LittleEndian.AppendUint64(nil, uint64(len(keyID)))
		framed = append(framed, keyID...)
		for len(framed)%8 != 0 {
			framed = append(framed, 0)
		}
		framed = append(framed, nonce...)
		if got, want := vectorKey.sum(keyID, nonce), vectorKey.plain(string(framed)); got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestSumKeepsPairsApart(t *testing.T) {
	pairs := [][2]string{
		{"", ""}, {"", "\x00"}, {"\x00", ""}, {"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"},
		{"abcdefgh", "i"}, {"abcdefg", "hi"}, {"abcdefgh", "\x00i"}, {"abcdefgh\x00", "i"},
	}
	seen := map[digest][2]string{}
	for _, p := range pairs {
		d := vectorKey.sum(p[0], p[1])
		if other, found := seen[d]; found {
			t.Errorf("%q and %q share a digest", p, other)
		}
		seen[d] = p
	}
	if vectorKey.sum("a", "b") == (sipKey{k0: 1}).sum("a", "b") {
		t.Error("the digest does not depend on the key")
	}
}

func BenchmarkHash(b *testing.B) {
	keyID, nonce := "unk_live_0123456789abcdefghijkl", "ABCDEFGHIJKLMNOPQRSTUV"
	b.Run("siphash", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			vectorKey.sum(keyID, nonce)
		}
	})
	b.Run("sha256", func(b *testing.B) {
		b.ReportAllocs()
		var message [96]byte
		for b.Loop() {
			n := copy(message[:], keyID)
			n += 1 + copy(message[n+1:], nonce)
			sha256.Sum256(message[:16+n])
		}
	})
}
