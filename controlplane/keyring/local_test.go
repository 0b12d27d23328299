package keyring

import (
	"bytes"
	"testing"
)

func TestLocalFilesOpenUnderTheirRootAndPlaceOnly(t *testing.T) {
	root, other := testRoot(t, 1), testRoot(t, 2)
	box := root.SealLocal([]byte("head"), []byte("place"), []byte("text"))
	if len(box) != 4+4+LocalOverhead || !bytes.HasPrefix(box, []byte("head")) || bytes.Contains(box, []byte("text")) {
		t.Fatalf("%q", box)
	}
	got, err := root.OpenLocal([]byte("so "), []byte("place"), box[4:])
	if err != nil || string(got) != "so text" {
		t.Errorf("%q, %v", got, err)
	}
	_, err = root.OpenLocal(nil, []byte("elsewhere"), box[4:])
	wantErr(t, err, ErrNotAuthentic)
	_, err = other.OpenLocal(nil, []byte("place"), box[4:])
	wantErr(t, err, ErrNotAuthentic)
	for n := range len(box) - 4 {
		_, err = root.OpenLocal(nil, []byte("place"), box[4:4+n])
		wantErr(t, err, ErrNotAuthentic)
	}
	// The key that wraps data keys opens none of it.
	if _, err := root.kek.Open(nil, nil, box[4:], []byte("place")); err == nil {
		t.Error("local files and data keys share a key")
	}
}
