package caddymodule

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// SQLiteStore keeps the control plane in an embedded database on this machine.
// One process at a time can have it open.
type SQLiteStore struct {
	// The path of the database file. It and its directory are made when the server
	// starts, readable by the server's user only. Two more files lie beside it
	// while it is open (-wal, -shm), and one that says who has it open (.lock).
	//
	// Default: merchants/merchants.db in Caddy's data directory. A different path
	// is a different control plane: merchants and keys do not move with it.
	Path string `json:"path,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*SQLiteStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "merchants.stores.sqlite",
		New: func() caddy.Module { return new(SQLiteStore) },
	}
}

func (s *SQLiteStore) path() string {
	if s.Path == "" {
		return filepath.Join(caddy.AppDataDir(), "merchants", "merchants.db")
	}
	return s.Path
}

func (s *SQLiteStore) identity() (string, error) { return store.SQLitePath(s.path()) }

func (s *SQLiteStore) file() (path string, found bool, err error) {
	if path, err = s.identity(); err != nil {
		return "", false, err
	}
	_, err = os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, false, nil
	}
	return path, err == nil, err
}

func (s *SQLiteStore) directory() (string, error) {
	path, err := s.identity()
	return filepath.Dir(path), err
}

func (s *SQLiteStore) open(ctx context.Context) (*store.DB, error) {
	return store.OpenSQLite(ctx, store.SQLiteConfig{Path: s.path()})
}

var (
	_ storeGuest = (*SQLiteStore)(nil)
	_ fileGuest  = (*SQLiteStore)(nil)
)
