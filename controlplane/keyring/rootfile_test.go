package keyring

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
)

func rootPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "root.key")
}

func mustCreate(t testing.TB, path string) *Root {
	t.Helper()
	root, err := CreateRoot(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func writeRoot(t testing.TB, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestCreatedRootLoadsAndBelongsToItsOwnerOnly(t *testing.T) {
	path := rootPath(t)
	made := mustCreate(t, path)
	loaded, err := LoadRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	if made.ID() != loaded.ID() || len(made.ID()) != 16 {
		t.Errorf("fingerprints %q and %q", made.ID(), loaded.ID())
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o400 {
		t.Errorf("mode %v, want 0400", info.Mode())
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
}

func TestCreateRootNeverOverwrites(t *testing.T) {
	path := rootPath(t)
	writeRoot(t, path, "something else", 0o600)
	_, err := CreateRoot(path, rand.Reader)
	wantErr(t, err, fs.ErrExist)
	// The same when the file appears after the first look.
	wantErr(t, writeNew(path, make([]byte, keySize)), fs.ErrExist)
	if got, _ := os.ReadFile(path); string(got) != "something else" {
		t.Fatalf("file now holds %q", got)
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
}

func TestCreateRootRefusals(t *testing.T) {
	broken := errors.New("broken generator")
	if _, err := CreateRoot(rootPath(t), iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	if _, err := CreateRoot(rootPath(t), bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("31 bytes were enough")
	}
	if _, err := CreateRoot(rootPath(t), bytes.NewReader(make([]byte, 32))); err == nil {
		t.Error("a generator of zeros was accepted")
	}
	missing := filepath.Join(t.TempDir(), "missing", "root.key")
	_, err := CreateRoot(missing, rand.Reader)
	wantErr(t, err, fs.ErrNotExist)
}

func TestConcurrentFirstStartsAgreeOnOneRoot(t *testing.T) {
	path := rootPath(t)
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			root, err := LoadOrCreateRoot(path, rand.Reader)
			if err != nil {
				t.Error(err)
			}
			ids[i] = root.ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("several roots: %v", ids)
		}
	}
}

func TestLoadOrCreateRootWithoutADirectory(t *testing.T) {
	_, err := LoadOrCreateRoot(filepath.Join(t.TempDir(), "missing", "root.key"), rand.Reader)
	wantErr(t, err, fs.ErrNotExist)
	if syncDir(filepath.Join(t.TempDir(), "missing")) == nil {
		t.Error("a missing directory was synced")
	}
}

func TestAccessToRootFile(t *testing.T) {
	tests := []struct {
		name        string
		mode        fs.FileMode
		owner, self int
		credential  bool
		want        string // part of the error, empty for none
	}{
		{"ours, read only", 0o400, 1000, 1000, false, ""},
		{"ours, writable", 0o600, 1000, 1000, false, ""},
		{"of root, given to us", 0o400, 0, 1000, false, ""},
		{"group reads", 0o440, 1000, 1000, false, "chmod 0400 root.key"},
		{"group reads a file of root", 0o440, 0, 1000, false, "chmod 0400 root.key"},
		{"others read", 0o604, 1000, 1000, false, "chmod 0400 root.key"},
		{"others write", 0o602, 1000, 1000, false, "chmod 0400 root.key"},
		{"of another user", 0o400, 1001, 1000, false, "chown 1000 root.key"},
		{"of another user, we are root", 0o400, 1001, 0, false, "chown 0 root.key"},
		{"credential", 0o400, 1000, 1000, true, ""},
		{"credential with ACL", 0o440, 0, 1000, true, ""},
		{"credential for root with ACL", 0o440, 0, 0, true, ""},
		{"credential of our own, group reads", 0o440, 1000, 1000, true, "chmod"},
		{"credential, group writes", 0o460, 0, 1000, true, "chmod"},
		{"credential, others read", 0o444, 0, 1000, true, "chmod"},
		{"directory", fs.ModeDir | 0o700, 1000, 1000, false, "not a regular file"},
		{"named pipe", fs.ModeNamedPipe | 0o400, 1000, 1000, false, "not a regular file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := checkAccess("root.key", tt.mode, tt.owner, tt.self, tt.credential)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestLoadRootLooksAtTheRealFile(t *testing.T) {
	dir := t.TempDir()
	loose, pipe := filepath.Join(dir, "loose"), filepath.Join(dir, "pipe")
	writeRoot(t, loose, goldenRoot, 0o644)
	if err := syscall.Mkfifo(pipe, 0o400); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{loose: "mode 0644", pipe: "not a regular file", dir: "not a regular file"} {
		if _, err := LoadRoot(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
	_, err := LoadRoot(filepath.Join(dir, "missing"))
	wantErr(t, err, fs.ErrNotExist)
}

// A group-readable file of ours is no credential of systemd, which owns them as
// root; who runs the tests as root sees it accepted below the directory only.
func TestGroupMayReadOnlyBelowTheCredentialsDirectory(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir+"/")
	for _, d := range []string{dir, other} {
		path := filepath.Join(d, "root.key")
		writeRoot(t, path, goldenRoot, 0o440)
		_, err := LoadRoot(path)
		if accepted := d == dir && os.Geteuid() == 0; (err == nil) != accepted {
			t.Errorf("%s: error %v", d, err)
		}
	}
}

func TestRootFileContent(t *testing.T) {
	key := strings.TrimSpace(goldenRoot)
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"with newline", key + "\n", true},
		{"bare", key, true},
		{"from another editor", " " + key + "\r\n\n", true},
		{"empty", "", false},
		{"31 bytes", base64.StdEncoding.EncodeToString(make([]byte, 31)), false},
		{"33 bytes", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 33)), false},
		{"zeros", base64.StdEncoding.EncodeToString(make([]byte, 32)), false},
		{"raw bytes", strings.Repeat("\x07", 32), false},
		{"hexadecimal", strings.Repeat("07", 32), false},
		{"URL alphabet", "-_" + key[2:], false},
		{"newline inside", key[:20] + "\n" + key[21:], false},
		{"stray last bits", key[:42] + "d=", false},
		{"two keys", key + "\n" + key, false},
		{"far too long", strings.Repeat(key, 1000), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := rootPath(t)
			writeRoot(t, path, tt.text, 0o400)
			root, err := LoadRoot(path)
			if (err == nil) != tt.ok {
				t.Fatalf("error %v", err)
			}
			if tt.ok && root.ID() != goldenID {
				t.Errorf("fingerprint %s, want %s", root.ID(), goldenID)
			}
		})
	}
}

func FuzzParseRoot(f *testing.F) {
	f.Add([]byte(goldenRoot))
	f.Add([]byte(strings.TrimSpace(goldenRoot)))
	f.Add([]byte(goldenRoot[:40] + "\r\n\r\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		root, err := parseRoot(text)
		if err != nil {
			if root != nil || len(text) >= 8 && strings.Contains(err.Error(), string(text)) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
		if err != nil || len(key) != keySize || len(root.ID()) != 16 {
			t.Fatalf("accepted %q", text)
		}
	})
}
