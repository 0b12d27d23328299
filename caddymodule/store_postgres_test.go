package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPostgresURLTakesItsPasswordFromElsewhere(t *testing.T) {
	const password = "p@ss:w/rd?%#"
	t.Setenv("PGTEST_PASSWORD", password)
	t.Setenv("PGTEST_URL", "postgres://u:p%40ss@h/d")
	t.Setenv("PGTEST_HOST", "db.example")
	for given, want := range map[string]string{
		"postgres://u@h/d":                                     "postgres://u@h/d",
		"{env.PGTEST_URL}":                                     "postgres://u:p%40ss@h/d",
		"postgres://u@{env.PGTEST_HOST}/d":                     "postgres://u@db.example/d",
		"postgres://u:{env.PGTEST_PASSWORD}@h/d?sslmode=x":     "postgres://u:p%40ss%3Aw%2Frd%3F%25%23@h/d?sslmode=x",
		"postgres://u:{env.PGTEST_PASSWORD}@{env.PGTEST_HOST}": "postgres://u:p%40ss%3Aw%2Frd%3F%25%23@db.example",
	} {
		got, err := (&PostgresStore{URL: given}).url()
		if err != nil || got != want {
			t.Errorf("%s is %s (%v), want %s", given, got, err, want)
		}
	}
	one, err := (&PostgresStore{URL: "postgres://u:{env.PGTEST_PASSWORD}@db.example/d"}).identity()
	check(t, err)
	two, err := (&PostgresStore{URL: "postgres://u@{env.PGTEST_HOST}:5432/d", PasswordFile: "/x"}).identity()
	check(t, err)
	if one != two || strings.Contains(one, "ss") && !strings.Contains(one, "sslmode") || strings.Contains(one, password) {
		t.Errorf("%s and %s", one, two)
	}
}

func TestPostgresStoreRefusesWhatWouldShowThePassword(t *testing.T) {
	t.Setenv("PGTEST_PASSWORD", "hunter2hunter2")
	for name, c := range map[string]struct {
		store PostgresStore
		want  string
	}{
		"a literal password":   {PostgresStore{URL: "postgres://u:hunter2hunter2@h/d"}, "password_file"},
		"part of a password":   {PostgresStore{URL: "postgres://u:x{env.PGTEST_PASSWORD}@h/d"}, "password_file"},
		"a password as option": {PostgresStore{URL: "postgres://u@h/d?password=hunter2hunter2"}, "as options"},
		"two passwords":        {PostgresStore{URL: "postgres://u:{env.PGTEST_PASSWORD}@h/d", PasswordFile: "/x"}, "one of them"},
		"an unknown variable":  {PostgresStore{URL: "postgres://u:{env.PGTEST_NOWHERE}@h/d"}, "PGTEST_NOWHERE"},
		"not a URL":            {PostgresStore{URL: "postgres://u:{env.PGTEST_PASSWORD}@h:port/d"}, "looks like"},
		"too many connections": {PostgresStore{URL: "postgres://u@h/d", Readers: 1001}, "1 to 1000"},
	} {
		err := c.store.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestPasswordFileIsReadEachTime(t *testing.T) {
	s := &PostgresStore{PasswordFile: filepath.Join(t.TempDir(), "password")}
	for _, content := range []string{"one\n", "two\r\n", "three"} {
		check(t, os.WriteFile(s.PasswordFile, []byte(content), 0o600))
		if got, err := s.readPassword(); err != nil || got != strings.TrimSpace(content) {
			t.Errorf("%q: %q, %v", content, got, err)
		}
	}
	check(t, os.WriteFile(s.PasswordFile, []byte("\n"), 0o600))
	if _, err := s.readPassword(); err == nil {
		t.Error("an empty password")
	}
}
