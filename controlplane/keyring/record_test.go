package keyring

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestUnsealReturnsWhatWasSealedHere(t *testing.T) {
	r, _ := testRing(t, testRoot(t, 1), "api", "totp")
	rapid.Check(t, func(t *rapid.T) {
		purpose := rapid.SampledFrom([]string{"api", "totp"}).Draw(t, "purpose")
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		aad := drawLocation(t).AAD()
		rec, err := r.Seal(purpose, aad, plain)
		if err != nil {
			t.Fatal(err)
		}
		if len(rec) != len(plain)+Overhead {
			t.Fatalf("record of %d bytes for %d", len(rec), len(plain))
		}
		got, err := r.AppendUnseal([]byte("before"), purpose, aad, rec)
		if err != nil || !bytes.Equal(got, append([]byte("before"), plain...)) {
			t.Fatalf("unsealed %x, %v", got, err)
		}
		again, err := r.Reseal(purpose, aad, rec)
		if err != nil || bytes.Equal(again, rec) {
			t.Fatalf("resealed to %x, %v", again, err)
		}
	})
}

func drawLocation(t *rapid.T) Location {
	part := rapid.StringN(0, 6, -1)
	return Location{part.Draw(t, "table"), part.Draw(t, "column"), part.Draw(t, "row"), part.Draw(t, "merchant"), part.Draw(t, "environment")}
}

func TestUnsealRefusesEveryOtherPlace(t *testing.T) {
	r, _ := testRing(t, testRoot(t, 1), "api", "totp")
	here := Location{"api_key", "secret", "row1", "mer_1", "live"}
	rec := mustSeal(t, r, "api", string(here.AAD()), "secret")
	elsewhere := map[string]Location{
		"table":       {"other", "secret", "row1", "mer_1", "live"},
		"column":      {"api_key", "other", "row1", "mer_1", "live"},
		"row":         {"api_key", "secret", "row2", "mer_1", "live"},
		"merchant":    {"api_key", "secret", "row1", "mer_2", "live"},
		"environment": {"api_key", "secret", "row1", "mer_1", "test"},
		"shifted":     {"api_key", "secret", "row1m", "er_1", "live"},
		"nowhere":     {},
	}
	for name, l := range elsewhere {
		if _, err := r.Unseal("api", l.AAD(), rec); !errors.Is(err, ErrNotAuthentic) {
			t.Errorf("other %s: error %v", name, err)
		}
	}
	for _, purpose := range []string{"totp", "unknown", ""} {
		if _, err := r.Unseal(purpose, here.AAD(), rec); !errors.Is(err, ErrNotAuthentic) {
			t.Errorf("purpose %q: error %v", purpose, err)
		}
	}
	_, err := r.Reseal("api", nil, rec)
	wantErr(t, err, ErrNotAuthentic)
}

func TestAADIsInjective(t *testing.T) {
	parts := rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune("a\x00\x01")), 0, 3, -1), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		same := len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
		if bytes.Equal(AAD(a...), AAD(b...)) != same {
			t.Fatalf("%q and %q: encodings equal is %v", a, b, !same)
		}
	})
}

func TestLocationEncodesAsItsParts(t *testing.T) {
	l := Location{"t", "c", "r", "m", "e"}
	if want := AAD("t", "c", "r", "m", "e"); !bytes.Equal(l.AAD(), want) || !bytes.Equal(l.AppendAAD([]byte("x"))[1:], want) {
		t.Fatalf("encoded as %x, want %x", l.AAD(), want)
	}
}

func TestUnsealRefusesEveryFlippedBitAndTruncation(t *testing.T) {
	r, _ := testRing(t, testRoot(t, 1), "api", "api", "api")
	rec := mustSeal(t, r, "api", "row", "secret")
	for i := range rec {
		for bit := range 8 {
			bad := bytes.Clone(rec)
			bad[i] ^= 1 << bit
			if _, err := r.Unseal("api", []byte("row"), bad); err == nil {
				t.Fatalf("bit %d of byte %d flipped: accepted", bit, i)
			}
		}
		if _, err := r.Unseal("api", []byte("row"), rec[:i]); err == nil {
			t.Fatalf("cut to %d bytes: accepted", i)
		}
	}
	if _, err := r.Unseal("api", []byte("row"), append(rec, 0)); err == nil {
		t.Fatal("one byte longer: accepted")
	}
}

func TestRecordErrors(t *testing.T) {
	r, _ := testRing(t, testRoot(t, 1), "api")
	rec := mustSeal(t, r, "api", "row", "secret")
	unknown := bytes.Clone(rec)
	unknown[1] = 9
	tests := []struct {
		name   string
		record []byte
		want   error
	}{
		{"empty", nil, ErrMalformed},
		{"too short for a tag", rec[:Overhead-1], ErrMalformed},
		{"unknown version", flip(rec, 0), ErrMalformed},
		{"unknown key", unknown, ErrUnknownKey},
		{"altered", flip(rec, len(rec)-1), ErrNotAuthentic},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := r.Unseal("api", []byte("row"), tt.record)
			wantErr(t, err, tt.want)
			if got != nil {
				t.Errorf("returned %x beside the error", got)
			}
			if errors.Is(tt.want, ErrMalformed) && !r.NeedsReseal("api", tt.record) {
				t.Error("a malformed record hides from resealing")
			}
		})
	}
	_, err := r.Seal("unknown", nil, nil)
	wantErr(t, err, ErrNoDataKey)
	if !r.NeedsReseal("unknown", rec) {
		t.Error("a record of a purpose without a key hides from resealing")
	}
}

func FuzzUnseal(f *testing.F) {
	r, good, here := goldenRing(f), unhex(f, goldenRecord), goldenPlace.AAD()
	f.Add(here, good)
	f.Add([]byte("elsewhere"), good)
	f.Add(here, good[:Overhead])
	f.Add([]byte{}, []byte{1, 0, 0, 0, 1})
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, aad, rec []byte) {
		got, err := r.Unseal("api", aad, rec)
		if genuine := bytes.Equal(rec, good) && bytes.Equal(aad, here); genuine != (err == nil) {
			t.Fatalf("genuine %v, but error %v", genuine, err)
		}
		if err != nil && got != nil {
			t.Fatal("plaintext beside an error")
		}
	})
}
