package caddymodule

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/mattn/go-sqlite3" // registers the driver that tampers
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/unknownpay/merchant-gateway/tests/teststore"
)

// stores are the databases of this package's tests.
var stores teststore.Stores

func TestMain(m *testing.M) {
	testscript.Main(stores.Around(m), map[string]func(){"caddy": caddycmd.Main})
}

// TestScripts runs the commands as people do. UPDATE_SCRIPTS=1 writes the
// expected outputs anew.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_DATA_HOME", env.Getenv("WORK")+"/data")
			env.Setenv("XDG_CONFIG_HOME", env.Getenv("WORK")+"/config")
			env.Setenv("DB", env.Getenv("WORK")+"/data/caddy/merchants/merchants.db")
			env.Setenv("SUDO_USER", "")
			env.Setenv("CONFIG", "caddy.json")
			config := `{"admin": {"listen": "unix/` + env.WorkDir + `/admin.sock"}, "apps": {"merchants": {}}}`
			return os.WriteFile(filepath.Join(env.WorkDir, "caddy.json"), []byte(config), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"m": merchantsCmd, "fails": failsCmd, "keep": keepCmd, "scrub": scrubCmd,
			"serve": serveCmd, "halt": haltCmd, "tamper": tamperCmd, "nowhere": nowhereCmd,
		},
	})
}

// merchantsCmd is "exec caddy merchants" with the configuration of the script.
func merchantsCmd(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("caddy", merchantsArgs(ts, args)...)
	if neg == (err == nil) {
		ts.Fatalf("caddy merchants %q: %v", args, err)
	}
}

// merchantsArgs adds the configuration, unless the script names one or said "env
// CONFIG=".
func merchantsArgs(ts *testscript.TestScript, args []string) []string {
	config := ts.Getenv("CONFIG")
	if config != "" && !slices.Contains(args, "--config") && !slices.Contains(args, "--address") {
		args = append(args, "--config", config)
	}
	return append([]string{"merchants"}, args...)
}

// failsCmd wants status 1, nothing on standard output, and one line on standard
// error that matches the first argument.
func failsCmd(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("caddy", merchantsArgs(ts, args[1:])...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		ts.Fatalf("want status 1, got %v", err)
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("standard output is not empty: %s", out)
	}
	text := ts.ReadFile("stderr")
	if !strings.HasSuffix(text, "\n") || strings.Count(text, "\n") != 1 || !regexp.MustCompile("(?m)"+args[0]).MatchString(text) {
		ts.Fatalf("want one line that matches %s", args[0])
	}
}

// keepCmd keeps the value at a path of the JSON printed last in a variable:
// keep KEY key.id.
func keepCmd(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for _, step := range strings.Split(args[1], ".") {
		if list, ok := v.([]any); ok {
			v = list[0]
		}
		object, ok := v.(map[string]any)
		if !ok {
			ts.Fatalf("no %s in %v", args[1], v)
		}
		v = object[step]
	}
	text, ok := v.(string)
	if !ok || text == "" {
		ts.Fatalf("no text at %s", args[1])
	}
	ts.Setenv(args[0], text)
}

// scrubCmd writes what was printed last to the file "out", without what differs
// from run to run.
func scrubCmd(ts *testscript.TestScript, _ bool, _ []string) {
	text := strings.ReplaceAll(ts.ReadFile("stdout"), ts.Getenv("WORK"), "$WORK")
	for _, r := range [][2]string{
		{`(mer|usr|stf|ipa|evt|wep|dlv|rpl|svt|stt|apr|alr)_[0-9a-z]{26}`, "${1}_ID"}, {`unk_(live|test)_\w{22}`, "unk_${1}_ID"}, {`unks_(live|test)_\w{49}`, "unks_${1}_SECRET"},
		{`unks_(svc|staff)_\w{38}`, "unks_${1}_SECRET"}, {`whsec_[\w+/]{43}=`, "whsec_SECRET"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`, "TIME"}, {`\d{8}T\d{6}Z`, "TIME"}, {`\b[0-9a-f]{64}\b`, "HASH"}, {`\b[0-9a-f]{16}\b`, "ROOT"},
		{`\b[a-hj-km-np-z2-9]{20}\b`, "PASSWORD"}, {regexp.QuoteMeta(operatorName()) + `\b`, "OPERATOR"}, {`OPERATOR\.key`, "root.key"},
		{`(\S)  +`, "$1  "}, {`(?m) +$`, ""},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs("out"), []byte(text), 0o600))
}

// serveCmd starts a server in the background and waits until it answers; with the
// configuration and the socket of the script, unless others are named.
func serveCmd(ts *testscript.TestScript, _ bool, args []string) {
	config, socket := ts.MkAbs("caddy.json"), ts.MkAbs("admin.sock")
	if len(args) == 2 {
		config, socket = args[0], ts.MkAbs(args[1])
	}
	cmd := exec.Command("caddy", "run", "--config", config)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "GOCOVERDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	log, err := os.OpenFile(ts.MkAbs("server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill() // gone already when the script has stopped it
		_ = cmd.Wait()
	})
	for range 400 {
		if c, err := net.Dial("unix", socket); err == nil {
			ts.Check(c.Close())
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("the server does not answer:\n%s", ts.ReadFile("server.log"))
}

// haltCmd stops the server and waits until the database is free.
func haltCmd(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.Exec("caddy", "stop", "--address", "unix/"+ts.MkAbs("admin.sock")))
	for range 400 {
		if ts.Exec("caddy", "merchants", "status", "--config", "caddy.json") == nil && strings.Contains(ts.ReadFile("stdout"), "not running") {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("the server does not stop:\n%s", ts.ReadFile("server.log"))
}

// tamperCmd changes the database behind the back of the control plane.
func tamperCmd(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite3", ts.Getenv("DB"))
	ts.Check(err)
	_, err = db.Exec(args[0])
	ts.Check(err)
	ts.Check(db.Close())
}

// nowhereCmd wants that no file of the script holds any of the texts.
func nowhereCmd(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(filepath.WalkDir(ts.Getenv("WORK"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, text := range args {
			if bytes.Contains(content, []byte(text)) {
				ts.Fatalf("%s holds %s", path, text)
			}
		}
		return err
	}))
}
