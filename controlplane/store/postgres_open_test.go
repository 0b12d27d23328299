package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

func TestPostgresURLIsCanonicalAndConnectsToNothing(t *testing.T) {
	for given, want := range map[string]string{
		"postgres://u@db.example/m":                                    "postgres://u@db.example:5432/m?sslmode=verify-full",
		"postgresql://u:secret@db.example:5432/m":                      "postgres://u@db.example:5432/m?sslmode=verify-full",
		"postgres://u@127.0.0.1/m":                                     "postgres://u@127.0.0.1:5432/m",
		"postgres://u@[::1]/m":                                         "postgres://u@[::1]:5432/m",
		"postgres://u@localhost/m?sslmode=require":                     "postgres://u@localhost:5432/m?sslmode=require",
		"postgres://u@/m?host=/run/postgresql":                         "postgres://u@/m?host=%2Frun%2Fpostgresql",
		"postgres://u@db.example/m?sslmode=disable&application_name=x": "postgres://u@db.example:5432/m?application_name=x&sslmode=disable",
	} {
		got, err := PostgresIdentity(given)
		if err != nil || got != want {
			t.Errorf("%s is %s (%v), want %s", given, got, err, want)
		}
	}
}

func TestPostgresURLThatIsWrongIsExplainedWithoutItsPassword(t *testing.T) {
	for given, want := range map[string]string{
		"":                                          "looks like",
		"host=h user=u dbname=d":                    "looks like",
		"mysql://u:secret@h/m":                      "looks like",
		"postgres://u:secret@h:port/m":              "looks like",
		"postgres://u:secret@h/m#x":                 "looks like",
		"postgres://:secret@h/m":                    "no user",
		"postgres://u:secret@h":                     "no database",
		"postgres://u:secret@h/":                    "no database",
		"postgres://u:secret@/m":                    "no host",
		"postgres://u@h/m?password=secret":          "as options",
		"postgres://u:secret@h/m?sslmode=no":        "none of",
		"postgres://u:secret@h/m?sslmode=":          "none of",
		"postgres://u:secret@h/m?sslrootcert=/no":   "cannot be read",
		"postgres://u:secret@h/m?connect_timeout=x": "cannot be read",
		"postgres://u:sec%zzret@h/m":                "looks like",
	} {
		_, err := OpenPostgres(t.Context(), PostgresConfig{URL: given})
		if controlplane.CodeOf(err) != controlplane.CodeInvalid || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sec") && !strings.Contains(err.Error(), "second") {
			t.Errorf("%s: %v, want %q", given, err, want)
		}
	}
}

func FuzzPostgresURL(f *testing.F) {
	f.Add("postgres://u:secret@h:5432/m?sslmode=disable")
	f.Add("postgres://u@/m?host=/run")
	f.Add("postgres://")
	f.Fuzz(func(t *testing.T, raw string) {
		identity, err := PostgresIdentity(raw)
		if err != nil {
			return
		}
		if again, err := PostgresIdentity(identity); err != nil || again != identity {
			t.Fatalf("%q is %q, and that is %q (%v)", raw, identity, again, err)
		}
	})
}

func TestOpenPostgresSaysWhatIsWrong(t *testing.T) {
	url := migratedURL(t)
	newer, other := migratedURL(t), server.Database(t)
	stranger, err := pgtest.As(url, "postgres", "wrong")
	if err := errors.Join(err, pgtest.Exec(newer, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999999, true)`), pgtest.Exec(other, `CREATE TABLE bookmarks (url text)`)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ url, want string }{
		"nobody listens":      {"postgres://u@127.0.0.1:1/m?sslmode=disable", "cannot be reached"},
		"wrong password":      {stranger, "refuses"},
		"no such database":    {server.URL(t, "nowhere"), "refuses"},
		"newer schema":        {newer, "schema version 999999, this program knows up to"},
		"another's tables":    {other, "another program"},
		"no encryption there": {strings.Replace(url, "sslmode=disable", "sslmode=require", 1), "cannot be reached"},
	} {
		_, err := OpenPostgres(t.Context(), PostgresConfig{URL: c.url})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestPasswordIsAskedForEachConnection(t *testing.T) {
	url := migratedURL(t)
	config, err := ParsePostgres(url)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := PostgresIdentity(url)
	if err != nil {
		t.Fatal(err)
	}
	secret := config.Password
	db := openPostgresAt(t, PostgresConfig{URL: bare, Password: func() (string, error) { return secret, nil }})
	mustInsert(t, db, 1)
	mustFind(t, db, 1)
	missing := errors.New("no such file")
	if _, err := OpenPostgres(t.Context(), PostgresConfig{URL: bare, Password: func() (string, error) { return "", missing }}); !errors.Is(err, missing) {
		t.Errorf("%v", err)
	}
}

// Many nodes start at once on an empty database: one migrates, the others wait.
func TestNodesThatStartAtOnceMigrateOnce(t *testing.T) {
	url := server.Database(t)
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			db, err := OpenPostgres(context.Background(), PostgresConfig{URL: url, Readers: 2, Writers: 2})
			if err == nil {
				err = errors.Join(insert(context.Background(), db, i), db.Close())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i := range errs {
		mustFind(t, openPostgresAt(t, PostgresConfig{URL: url}), i)
	}
}

func TestBackupOfPostgresIsLeftToItsTools(t *testing.T) {
	if err := openPostgres(t).Backup(t.Context(), t.TempDir()+"/b"); controlplane.CodeOf(err) != controlplane.CodeConflict {
		t.Fatal(err)
	}
}
