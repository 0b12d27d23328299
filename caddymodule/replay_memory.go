package caddymodule

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/caddymodule/replay"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// defaultNonces suffices for 16,000 requests a second at the default clock skew
// of five minutes, and takes 400 MB when full.
const defaultNonces = 10_000_000

// MemoryReplay remembers used nonces in the memory of this process, for a single
// gateway. They survive configuration reloads and graceful restarts; after a kill
// or a crash, requests signed before the restart are refused.
type MemoryReplay struct {
	// The directory that keeps the nonces over a restart. It is made when the
	// server starts. Never restore it from a backup: the nonces used since then
	// would pass again.
	//
	// Default: "replay" beside the database.
	StateDir string `json:"state_dir,omitempty"`

	// How many nonces are remembered at most, 1 to 1,000,000,000. Needed: requests
	// per second × twice the clock skew in seconds; each takes about 40 bytes. A
	// full store refuses requests with 503 AUTH_UNAVAILABLE rather than forget.
	//
	// Default: 10000000.
	Capacity int64 `json:"capacity,omitempty"`

	dir string // canonical, once known
}

// CaddyModule returns the Caddy module information.
func (*MemoryReplay) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "merchants.replay.memory",
		New: func() caddy.Module { return new(MemoryReplay) },
	}
}

// Validate refuses a capacity that no store could have.
func (m *MemoryReplay) Validate() error {
	if m.Capacity < 0 || m.Capacity > replay.MaxCapacity {
		return fmt.Errorf("replay memory: capacity is %d, want 1 to %d nonces", m.Capacity, int64(replay.MaxCapacity))
	}
	return nil
}

func (m *MemoryReplay) capacity() int64 {
	if m.Capacity == 0 {
		return defaultNonces
	}
	return m.Capacity
}

func (m *MemoryReplay) identity(directory string) (string, error) {
	dir := m.StateDir
	if dir == "" {
		dir = filepath.Join(directory, "replay")
	}
	// The rule for canonical paths is the same for files and directories.
	canonical, err := store.SQLitePath(dir)
	if err != nil {
		return "", fmt.Errorf("replay memory: state_dir %s: %w", dir, err)
	}
	m.dir = canonical
	return canonical, nil
}

func (m *MemoryReplay) open(context.Context) (nonces, error) {
	return replay.OpenMemory(replay.MemoryOptions{Dir: m.dir, Capacity: m.capacity()})
}

func (m *MemoryReplay) apply(n nonces) error {
	memory, ok := n.(*replay.Memory)
	if !ok {
		return fmt.Errorf("replay memory: the open store is a %T", n)
	}
	return memory.SetCapacity(m.capacity())
}

var (
	_ replayGuest     = (*MemoryReplay)(nil)
	_ caddy.Validator = (*MemoryReplay)(nil)
	_ nonces          = (*replay.Memory)(nil)
)
