package store

import "context"

// Stats says how a database is doing.
type Stats struct {
	// Kind is sqlite or postgres.
	Kind string `json:"kind"`
	// Path is that of the file, or the server's URL without its password.
	Path string `json:"path"`
	// FileBytes and WALBytes are the sizes of the database and of its write-ahead
	// log. The log is at most 64 MiB, or 320 MiB while a long View keeps it.
	// PostgreSQL keeps its own books: 0.
	FileBytes     int64 `json:"file_bytes"`
	WALBytes      int64 `json:"wal_bytes"`
	SchemaVersion int64 `json:"schema_version"`
	// Groups is the number of commits since the start, Updates that of the
	// changes in them, LargestGroup the most that shared one.
	Groups       int64 `json:"groups"`
	Updates      int64 `json:"updates"`
	LargestGroup int64 `json:"largest_group"`
	// Of PostgreSQL: Connections that are open, Waits for one that was not free, and
	// Collisions, after which a change ran again.
	Connections int   `json:"connections,omitempty"`
	Waits       int64 `json:"waits,omitempty"`
	Collisions  int64 `json:"collisions,omitempty"`
}

// Stats returns the counters; it asks the file system, not the database.
func (db *DB) Stats(context.Context) (Stats, error) {
	if db.server != nil {
		return db.server.stats(db), nil
	}
	w := db.writer
	return Stats{
		Kind: "sqlite", Path: db.file.path, FileBytes: fileSize(db.file.path), WALBytes: fileSize(db.file.path + "-wal"), SchemaVersion: db.schema,
		Groups: w.groups.Load(), Updates: w.changes.Load(), LargestGroup: w.largest.Load(),
	}, nil
}

// Schema is the version of the schema that this process works with; 0 while the
// database has been away since the start.
func (db *DB) Schema() int64 {
	if db.server != nil && !db.gate.open.Load() {
		return 0
	}
	return db.schema
}
