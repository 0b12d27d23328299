package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/mattn/go-sqlite3"
)

const (
	// busyTimeout is how long, in milliseconds, a statement waits for another
	// program that has the file locked.
	busyTimeout = 5000
	// autoCheckpoint is in pages of 4 KiB. SQLite's own 1,000 stalls the writer
	// 4–14 ms each time.
	autoCheckpoint = 10_000
)

// A DSN carries what every connection of a pool must have; a PRAGMA run once
// would reach one of them.
func writerDSN(path string) string {
	return sqliteDSN(path, url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_txlock": {"immediate"},
		"_foreign_keys": {"1"}, "_recursive_triggers": {"1"}, "_cache_size": {"-65536"},
	})
}

func readerDSN(path string) string {
	return sqliteDSN(path, url.Values{"mode": {"ro"}, "_query_only": {"1"}, "_txlock": {"deferred"}, "_cache_size": {"-8192"}})
}

func sqliteDSN(path string, v url.Values) string {
	v.Set("_busy_timeout", strconv.Itoa(busyTimeout))
	v.Set("_stmt_cache_size", "64")
	// A connection is used by one goroutine at a time: database/sql sees to it.
	v.Set("_mutex", "no")
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
}

// sqliteConnector opens connections without a driver registered by name, of which
// a program has only one set.
func sqliteConnector(dsn string, maxPages int) driver.Connector {
	pragmas := []string{
		fmt.Sprintf(`PRAGMA wal_autocheckpoint = %d`, autoCheckpoint),
		// Sorting must not spill rows into a directory that others can read.
		`PRAGMA temp_store = MEMORY`,
		`PRAGMA trusted_schema = OFF`,
	}
	if maxPages > 0 {
		pragmas = append(pragmas, fmt.Sprintf(`PRAGMA max_page_count = %d`, maxPages))
	}
	return connector{dsn, &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		_, err := c.Exec(strings.Join(pragmas, ";"), nil)
		return err
	}}}
}

type connector struct {
	dsn    string
	driver *sqlite3.SQLiteDriver
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }
