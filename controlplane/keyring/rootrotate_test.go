package keyring

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vault is a root file, the data keys as a database would hold them, and a
// record that must never be lost.
type vault struct {
	path   string
	keys   []WrappedKey
	record []byte
}

func newVault(t *testing.T) *vault {
	t.Helper()
	v := &vault{path: rootPath(t)}
	r, keys := testRing(t, mustCreate(t, v.path), "api", "totp")
	v.keys, v.record = keys, mustSeal(t, r, "totp", "row", "secret")
	return v
}

func (v *vault) rootID() string { return v.keys[0].RootID }

// start is what a server does: it finds the root and reads the record.
func (v *vault) start(t *testing.T) *Root {
	t.Helper()
	root, err := LoadRootFor(v.path, v.rootID())
	if err != nil {
		t.Fatal(err)
	}
	v.open(t, root)
	return root
}

func (v *vault) open(t *testing.T, root *Root) *Ring {
	t.Helper()
	r, err := Open(root, v.keys)
	if err != nil {
		t.Fatal(err)
	}
	wantUnsealed(t, r, "totp", "row", v.record, "secret")
	return r
}

func (v *vault) next(t *testing.T) *Root {
	t.Helper()
	next, err := NextRoot(v.path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func (v *vault) commit(t *testing.T, old, next *Root) {
	t.Helper()
	keys, err := Rewrap(old, next, v.keys)
	if err != nil {
		t.Fatal(err)
	}
	v.keys = keys
}

func (v *vault) rotate(t *testing.T) {
	t.Helper()
	v.commit(t, v.start(t), v.next(t))
	if err := FinishRotation(v.path, v.rootID()); err != nil {
		t.Fatal(err)
	}
}

// TestRootRotationSurvivesAStopAtEveryStep runs the first n steps of a
// rotation, starts again, and then rotates in full.
func TestRootRotationSurvivesAStopAtEveryStep(t *testing.T) {
	steps := []struct {
		name string
		do   func(t *testing.T, v *vault)
	}{
		{"nothing done", func(*testing.T, *vault) {}},
		{"temporary file written", func(t *testing.T, v *vault) {
			if _, err := writeTemp(filepath.Dir(v.path), []byte("half a k")); err != nil {
				t.Fatal(err)
			}
		}},
		{"next root made", func(t *testing.T, v *vault) { v.next(t) }},
		{"database committed", func(t *testing.T, v *vault) {
			old, err := LoadRoot(v.path)
			if err != nil {
				t.Fatal(err)
			}
			v.commit(t, old, v.next(t))
		}},
		{"former root kept", func(t *testing.T, v *vault) {
			if err := keepFormer(v.path); err != nil {
				t.Fatal(err)
			}
		}},
		{"next root renamed", func(t *testing.T, v *vault) {
			if err := os.Rename(NextPath(v.path), v.path); err != nil {
				t.Fatal(err)
			}
		}},
		{"rotation finished", func(t *testing.T, v *vault) {
			if err := FinishRotation(v.path, v.rootID()); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for n := range steps {
		t.Run(steps[n].name, func(t *testing.T) {
			v := newVault(t)
			for _, s := range steps[:n+1] {
				s.do(t, v)
			}
			id := v.rootID()
			if root, err := FindRoot(v.path, id); err != nil || root.ID() != id {
				t.Fatalf("found %q, %v", root.ID(), err)
			}
			v.start(t)
			if root, err := LoadRoot(v.path); err != nil || root.ID() != id {
				t.Fatalf("%s holds %q, %v; the database wants %q", v.path, root.ID(), err, id)
			}
			v.start(t)
			v.rotate(t)
			if v.start(t).ID() == id {
				t.Fatal("the rotation changed nothing")
			}
		})
	}
}

func TestFindRootChangesNothing(t *testing.T) {
	v := newVault(t)
	v.commit(t, v.start(t), v.next(t))
	before := strings.Join(names(t, filepath.Dir(v.path)), " ")
	root, err := FindRoot(v.path, v.rootID())
	if err != nil {
		t.Fatal(err)
	}
	v.open(t, root)
	if after := strings.Join(names(t, filepath.Dir(v.path)), " "); after != before {
		t.Fatalf("files %s, were %s", after, before)
	}
}

// A commit may go through although its caller was told otherwise. The second
// try must not replace the root that the database now needs.
func TestRotationRunAgainAfterAnUnnoticedCommit(t *testing.T) {
	v := newVault(t)
	old := v.start(t)
	v.commit(t, old, v.next(t))
	v.commit(t, old, v.next(t))
	v.start(t)
}

func TestBackupFromBeforeARotationOpens(t *testing.T) {
	v := newVault(t)
	backup := *v
	v.rotate(t)
	v.rotate(t)
	backup.start(t)
	backup.rotate(t)
	backup.start(t)
	v.start(t)
}

func TestRotationToAnotherPath(t *testing.T) {
	v := newVault(t)
	other := rootPath(t)
	v.commit(t, v.start(t), mustCreate(t, other))
	if _, err := LoadRootFor(v.path, v.rootID()); err == nil || !strings.Contains(err.Error(), v.rootID()) {
		t.Fatalf("error %v does not name root %s", err, v.rootID())
	}
	v.path = other
	v.start(t)
}

func TestRingTakesTheNewRoot(t *testing.T) {
	v := newVault(t)
	old := v.start(t)
	r := v.open(t, old)
	next := v.next(t)
	v.commit(t, old, next)
	if err := r.SetRoot(next); err != nil {
		t.Fatal(err)
	}
	v.keys = append(v.keys, addKey(t, r, "webhook"))
	if r.Status().RootID != next.ID() {
		t.Errorf("status names root %s, want %s", r.Status().RootID, next.ID())
	}
	v.start(t)
}

func TestRewrapRefusals(t *testing.T) {
	a, b, c := testRoot(t, 1), testRoot(t, 2), testRoot(t, 3)
	_, keys := testRing(t, a, "api", "totp")
	_, foreign := testRing(t, c, "api")
	damaged := keys[1]
	damaged.Wrapped = flip(damaged.Wrapped, 30)
	var refused *UnwrapError
	for name, keys := range map[string][]WrappedKey{
		"third root": {keys[0], foreign[0]},
		"damaged":    {keys[0], damaged},
	} {
		if got, err := Rewrap(a, b, keys); !errors.As(err, &refused) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	_, err := Rewrap(nil, b, keys)
	wantErr(t, err, errNoRoot)
	_, err = Rewrap(a, &Root{}, keys)
	wantErr(t, err, errNoRoot)
	_, err = Open(nil, keys)
	wantErr(t, err, errNoRoot)
	if _, err := Rewrap(a, testRoot(t, 1), keys); err == nil {
		t.Error("the same root was taken for a new one")
	}
}

func TestFindRootSaysWhatIsThere(t *testing.T) {
	path := rootPath(t)
	_, err := FindRoot(path, "")
	wantErr(t, err, fs.ErrNotExist)
	wantText(t, path, "0123456789abcdef", "no root key file")
	root := mustCreate(t, path)
	writeRoot(t, NextPath(path), goldenRoot, 0o644)
	wantText(t, path, "0123456789abcdef", "0123456789abcdef", root.ID(), "chmod 0400")
	if got, err := FindRoot(path, ""); err != nil || got.ID() != root.ID() {
		t.Errorf("found %q, %v", got.ID(), err)
	}
}

func wantText(t *testing.T, path, id string, parts ...string) {
	t.Helper()
	_, err := LoadRootFor(path, id)
	if err == nil {
		t.Fatal("found a root")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q lacks %q", err, p)
		}
	}
}

func TestFinishRotationRefusals(t *testing.T) {
	path := rootPath(t)
	wantErr(t, FinishRotation(path, goldenID), fs.ErrNotExist)
	root := mustCreate(t, path)
	if err := FinishRotation(path, root.ID()); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
	for _, where := range []string{"no next root", "another next root"} {
		if err := FinishRotation(path, goldenID); err == nil {
			t.Errorf("%s: finished", where)
		}
		mustNext(t, path)
	}
	if got, err := LoadRoot(path); err != nil || got.ID() != root.ID() {
		t.Errorf("the root was replaced: %v", err)
	}
}

func mustNext(t *testing.T, path string) *Root {
	t.Helper()
	next, err := NextRoot(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestFinishRotationKeepsWhatItCannotRead(t *testing.T) {
	path := rootPath(t)
	writeRoot(t, path, "damaged", 0o400)
	next := mustNext(t, path)
	if _, err := LoadRootFor(path, next.ID()); err == nil {
		t.Fatal("a file that may be someone's key was replaced")
	}
	if got, _ := os.ReadFile(path); string(got) != "damaged" {
		t.Fatalf("file now holds %q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadRootFor(path, next.ID()); err != nil {
		t.Fatalf("with the file moved away: %v", err)
	}
}
