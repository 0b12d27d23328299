package caddymodule

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestOnlyAMissingServerLetsCommandsOpenTheDatabase(t *testing.T) {
	for _, tc := range []struct {
		err     error
		offline bool
		want    string
	}{
		{syscall.ENOENT, true, "no server answers on the admin socket /s"},
		{syscall.ECONNREFUSED, true, "no server answers on the admin socket /s"},
		{syscall.EACCES, false, "you may not open the admin socket /s; run the command as the user that the server runs as"},
		{os.ErrDeadlineExceeded, false, "ask the server on /s"},
	} {
		err := dialError("/s", tc.err)
		if got := errors.As(err, new(*unreachableError)); got != tc.offline || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: offline %v, %v", tc.err, got, err)
		}
	}
}

func TestForeignServersAreTold(t *testing.T) {
	for _, tc := range []struct {
		status     int
		body, want string
	}{
		{404, "404 page not found", "does not know the merchants calls; was it built with the merchant gateway?"},
		{500, `{"error":"something of Caddy's"}`, `answered HTTP 500: {"error":"something of Caddy's"}`},
		{409, `{"error":{"code":"CONFLICT","message":"taken"}}`, "taken"},
	} {
		if err := serverError("/s", tc.status, []byte(tc.body)); !strings.Contains(err.Error(), tc.want) {
			t.Errorf("HTTP %d %s: %v", tc.status, tc.body, err)
		}
	}
}

func TestSocketPaths(t *testing.T) {
	for address, want := range map[string]string{
		"unix//run/caddy/admin.sock": "/run/caddy/admin.sock", "unix//run/caddy/admin.sock|0660": "/run/caddy/admin.sock", "unix/admin.sock": "admin.sock",
		"localhost:2019": "", "tcp/localhost:2019": "", "unixgram//x": "", "off": "", ":": "", "a:b:c": "",
	} {
		got, err := socketPath(address)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", address, got, err)
		}
	}
}

func TestDatabasesOfOthersAreNotOpened(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "merchants.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	me := os.Geteuid()
	for _, tc := range []struct {
		path    string
		self    int
		refused bool
	}{
		{file, me, false}, {dir, me, false},
		{file, me + 1, true},  // of another user
		{dir, me + 1, me < 0}, // a directory's mode decides, unless root would make files there
	} {
		info, err := os.Stat(tc.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := ownedBy(tc.path, info, tc.self); (err != nil) != tc.refused {
			t.Errorf("%s as %d: %v", tc.path, tc.self, err)
		}
	}
	info := ownedInfo{mode: fs.ModeDir, uid: 4242}
	if err := ownedBy(dir, info, 0); err == nil || !strings.Contains(err.Error(), "belongs to user 4242; run the command as user 4242") {
		t.Errorf("root in a directory of another user: %v", err)
	}
}

// ownedInfo is a file of any user.
type ownedInfo struct {
	mode fs.FileMode
	uid  uint32
}

func (ownedInfo) Name() string        { return "x" }
func (ownedInfo) Size() int64         { return 0 }
func (i ownedInfo) Mode() fs.FileMode { return i.mode }
func (ownedInfo) ModTime() time.Time  { return time.Time{} }
func (i ownedInfo) IsDir() bool       { return i.mode.IsDir() }
func (i ownedInfo) Sys() any          { return &syscall.Stat_t{Uid: i.uid} }

func TestOperatorIsNamedAsTheAuditTrailCanTake(t *testing.T) {
	t.Setenv("SUDO_USER", "zoë\n"+strings.Repeat("x", 200))
	name := operatorName()
	if !strings.HasPrefix(name, "zo??x") || len(name) > maxOperator || strings.ContainsFunc(name, notPrintableASCII) {
		t.Errorf("%q", name)
	}
}

func sessionTo(out io.Writer) *session {
	cmd := new(cobra.Command)
	cmd.SetOut(out)
	return &session{cmd: cmd}
}

func TestTerminalsAreNotSteered(t *testing.T) {
	var out strings.Builder
	s := sessionTo(&out)
	if err := s.print(func(p *printer) { p.row("\x1b[2Jname", "a\tb\nc\u202e") }); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "�[2Jname  a�b�c�\n" {
		t.Errorf("%q", got)
	}
}

func TestErrorsBesideAnAnswerDoNotHideIt(t *testing.T) {
	var out strings.Builder
	s := sessionTo(&out)
	s.json = true
	err := s.explain(errors.Join(controlplane.InvalidField("merchant_id", "is missing"), errors.New("and more")))
	if err == nil || !strings.Contains(err.Error(), "--merchant: is missing") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(out.String(), `"field": "merchant_id"`) {
		t.Errorf("%s", out.String())
	}
}

func TestWhetherAChangeCountsIsSaid(t *testing.T) {
	for _, tc := range []struct {
		offline bool
		applied applied
		want    string
	}{
		{false, applied{7, true}, "enforces revision 7"},
		{false, applied{7, false}, "does not enforce revision 7 yet"},
		{true, applied{7, false}, "revision 7 counts from its next start"},
	} {
		var out strings.Builder
		s := sessionTo(&out)
		s.offline = tc.offline
		if err := s.print(func(p *printer) { p.applied(tc.applied) }); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%+v: %s", tc, out.String())
		}
	}
}
