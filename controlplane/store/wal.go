package store

import (
	"context"
	"database/sql"
	"fmt"
	"os"
)

const (
	// walLimit is above the 40 MiB at which SQLite starts over by itself, so that
	// it is reached only when a reader keeps it from that.
	walLimit = 64 << 20
	// walMost is the size at which Views are ended that keep the log.
	walMost = 5 * walLimit
	// walPatience is how long a checkpoint waits for readers, in milliseconds: the
	// writer stands still meanwhile.
	walPatience = 100
)

// walBound keeps the write-ahead log from growing without end. A checkpoint from
// another connection never catches a busy writer (a log of 593 MB in 3 s was
// measured), so the writer does it itself, between two commits.
type walBound struct {
	db    *sql.DB
	path  string
	limit int64
	most  int64
	// readers are the Views that may keep it.
	readers *reading
	// next is the size at which to try: after an attempt that a reader spoiled,
	// the next one waits until the log has grown by the limit again.
	next int64
}

func (w *walBound) check() {
	size := fileSize(w.path)
	if size <= max(w.limit, w.next) {
		return
	}
	w.next = 0
	empty := false
	if size <= w.most {
		empty = w.truncate()
	} else {
		// Long Views that follow each other closely would keep the log for good.
		empty = w.readers.clear(w.truncate)
	}
	if !empty {
		w.next = size + w.limit
	}
}

// truncate reports whether the log is empty now. Any failure means the same to
// its caller: try again later.
func (w *walBound) truncate() bool {
	ctx := context.Background()
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return false
	}
	defer conn.Close() // back to the pool
	if _, err := conn.ExecContext(ctx, setBusyTimeout(walPatience)); err != nil {
		return false
	}
	var busy, pages, moved int64
	err = conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	_, restored := conn.ExecContext(ctx, setBusyTimeout(busyTimeout))
	return err == nil && restored == nil && busy == 0
}

func setBusyTimeout(ms int) string { return fmt.Sprintf(`PRAGMA busy_timeout = %d`, ms) }

// fileSize is 0 for a file that is not there.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
