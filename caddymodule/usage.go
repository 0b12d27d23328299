package caddymodule

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// usageFlush is how often last uses are written down, and so how old what the
	// portal shows can be.
	usageFlush = 5 * time.Second
	// usageTimeout bounds one flush, so that a store that hangs cannot hold up a stop.
	usageTimeout = 10 * time.Second
	usageShards  = 16
	// usageLimit is the number of keys that a shard remembers between two flushes;
	// uses of more keys are dropped and counted.
	usageLimit = 64 * 1024
	// usageBatch is the number of rows of one transaction, which others wait for.
	usageBatch = 2000
)

// usage gathers who used which key and which allowlist entry last. Requests only
// touch memory; what is lost in a crash is a few seconds of it.
type usage struct {
	record  func(context.Context, controlplane.Use) error
	report  func(error)
	shards  [usageShards]usageShard
	dropped atomic.Int64
	stop    chan struct{}
	done    chan struct{}
}

type usageShard struct {
	sync.Mutex
	keys map[string]lastUse
	rows map[int64]time.Time
	_    [64]byte // shards are written by every request; keep them off each other's cache line
}

type lastUse struct {
	at time.Time
	ip netip.Addr
}

func newUsage(record func(context.Context, controlplane.Use) error, report func(error)) *usage {
	u := &usage{record: record, report: report, stop: make(chan struct{}), done: make(chan struct{})}
	go u.loop()
	return u
}

func (u *usage) loop() {
	defer close(u.done)
	ticker := time.NewTicker(usageFlush)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			u.flush()
		case <-u.stop:
			u.flush()
			return
		}
	}
}

// close writes down what is left. Uses noted after it are lost.
func (u *usage) close() {
	close(u.stop)
	<-u.done
}

// note remembers one use. It is called for each accepted request.
func (u *usage) note(keyID string, row int64, at time.Time, ip netip.Addr) {
	s := &u.shards[keyID[len(keyID)-1]%usageShards]
	s.Lock()
	defer s.Unlock()
	last, known := s.keys[keyID]
	if known && !at.After(last.at) {
		return
	}
	if !known {
		if len(s.keys) >= usageLimit {
			u.dropped.Add(1)
			return
		}
		if s.keys == nil {
			s.keys, s.rows = map[string]lastUse{}, map[int64]time.Time{}
		}
		keyID = strings.Clone(keyID) // not the request it came in
	}
	s.keys[keyID] = lastUse{at: at, ip: ip}
	s.rows[row] = at
}

func (s *usageShard) take() (map[string]lastUse, map[int64]time.Time) {
	s.Lock()
	defer s.Unlock()
	keys, rows := s.keys, s.rows
	s.keys, s.rows = nil, nil
	return keys, rows
}

func (u *usage) flush() {
	var batch controlplane.Use
	for i := range u.shards {
		keys, rows := u.shards[i].take()
		for id, last := range keys {
			batch.Keys = append(batch.Keys, controlplane.KeyUse{KeyID: id, At: last.at, IP: last.ip})
			u.writeIf(usageBatch, &batch)
		}
		for row, at := range rows {
			batch.Matches = append(batch.Matches, controlplane.AllowlistMatch{Row: row, At: at})
			u.writeIf(usageBatch, &batch)
		}
	}
	u.writeIf(1, &batch)
}

// writeIf writes the batch down once it has enough rows. A batch that cannot be
// written is dropped: the next use of the same keys says more than it.
func (u *usage) writeIf(enough int, batch *controlplane.Use) {
	n := len(batch.Keys) + len(batch.Matches)
	if n < enough {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), usageTimeout)
	defer cancel()
	if err := u.record(ctx, *batch); err != nil {
		u.dropped.Add(int64(n))
		u.report(err)
	}
	*batch = controlplane.Use{}
}
