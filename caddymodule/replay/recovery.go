package replay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Start is how a store came up.
type Start int

const (
	// FirstStart found an empty directory, or none was given. A fresh installation has to serve its
	// first request at once, so timestamps from the start second on pass. That an older installation
	// lost its directory as a whole cannot be told from this.
	FirstStart Start = iota
	// CleanStart read the nonces back: a replay across the restart is recognised.
	CleanStart
	// UncleanStart lost the nonces (kill, power cut, damaged or foreign file). Timestamps up to
	// the mark, or up to MaxAhead past the start when the mark is lost too, are refused.
	UncleanStart
)

func (s Start) String() string {
	return [...]string{"first start", "clean start", "unclean start"}[s]
}

// Recovery is what a start found, for the log.
type Recovery struct {
	Start     Start
	Nonces    int64 // read back
	NotBefore int64 // see [Memory.NotBefore], at the start
	Reason    error // why the start is unclean; otherwise nil
}

func (m *Memory) comeUp(random io.Reader) error {
	now := m.clock().Unix()
	if m.disk == nil {
		m.conclude(Recovery{NotBefore: max(now-1, 0)})
		return m.drawKey(random)
	}
	last, markErr := readMark(m.disk)
	if err := unreadable(markErr); err != nil {
		return err
	}
	stateErr := m.load(last.epoch)
	if err := unreadable(stateErr); err != nil {
		return err
	}
	found := m.assess(now, last.high, markErr, stateErr)
	if found.Start != CleanStart {
		m.table = new(table) // may hold records of a file that proved damaged
		m.live.Store(0)
		m.newest.Store(0)
		if err := m.drawKey(random); err != nil {
			return err
		}
	}
	m.conclude(found)
	return m.begin(random, max(last.high, found.NotBefore))
}

func (m *Memory) assess(now, high int64, markErr, stateErr error) Recovery {
	switch {
	case errors.Is(markErr, fs.ErrNotExist) && errors.Is(stateErr, fs.ErrNotExist):
		return Recovery{NotBefore: max(now-1, 0)}
	case markErr != nil:
		return Recovery{Start: UncleanStart, NotBefore: now + MaxAhead, Reason: fmt.Errorf("read mark: %w", markErr)}
	case stateErr != nil:
		return Recovery{Start: UncleanStart, NotBefore: high, Reason: fmt.Errorf("read nonces: %w", stateErr)}
	}
	return Recovery{Start: CleanStart, NotBefore: m.floor.Load(), Nonces: m.live.Load()}
}

func (m *Memory) conclude(r Recovery) {
	m.floor.Store(r.NotBefore)
	m.recovery = r
}

// begin writes the mark under a new epoch, which at once makes the state file of the last run
// worthless: from here on only a graceful stop leaves one that counts.
func (m *Memory) begin(random io.Reader, high int64) error {
	r := markRecord{high: high}
	if _, err := io.ReadFull(random, r.epoch[:]); err != nil {
		return fmt.Errorf("draw epoch: %w", err)
	}
	err := replace(m.disk, markName, func(w io.Writer) error {
		_, err := w.Write(r.encode())
		return err
	})
	if err != nil {
		return fmt.Errorf("write mark: %w", err)
	}
	if err := m.disk.Remove(stateName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove used nonce file: %w", err)
	}
	f, err := m.disk.Edit(markName)
	if err != nil {
		return fmt.Errorf("open mark: %w", err)
	}
	m.mark = newMark(f, r, m.newest.Load)
	return nil
}

func (m *Memory) drawKey(random io.Reader) error {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return fmt.Errorf("draw hash key: %w", err)
	}
	m.key = sipKey{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
	return nil
}

func (m *Memory) load(want epoch) error {
	f, err := m.disk.Open(stateName)
	if err != nil {
		return err
	}
	h, err := readState(f, want, m.restore)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	m.key = sipKey{h.K0, h.K1}
	m.floor.Store(h.Floor)
	m.retention.Store(h.Retention)
	return nil
}

// restore adds a record whatever the capacity is now: a lowered one must not lose a nonce.
func (m *Memory) restore(d digest, second uint32) error {
	s := m.shard(d)
	g := s.segment(d)
	s.fit(g, 0)
	slot, found := g.find(d, 0)
	if found || !s.count(second) {
		return fmt.Errorf("nonce listed twice, or too many time buckets: %w", errCorrupt)
	}
	g.put(slot, d, second)
	m.live.Add(1)
	raise(&m.newest, int64(second))
	return nil
}

// unreadable passes on an error that somebody can repair without losing nonces (permissions, a
// failing disk). Missing and damaged files are dealt with here.
func unreadable(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errCorrupt) {
		return nil
	}
	return err
}
