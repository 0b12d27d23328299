package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"testing"
)

func FuzzReadState(f *testing.F) {
	m, err := OpenMemory(MemoryOptions{VolatileForTests: true, Capacity: 100, Clock: newClock().now})
	if err != nil {
		f.Fatal(err)
	}
	m.mark = &mark{epoch: epoch{1, 2, 3}}
	for i := range 20 {
		if _, err := m.insert(vectorKey.sum("key", strconv.Itoa(i)), epochStart); err != nil {
			f.Fatal(err)
		}
	}
	m.retention.Store(keep)
	var whole bytes.Buffer
	if err := m.writeState(&whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:whole.Len()-1])
	f.Add(append(whole.Bytes(), 0))
	f.Add([]byte{})
	huge := bytes.Clone(whole.Bytes())
	copy(huge[56:64], bytes.Repeat([]byte{0xff}, 8)) // the count
	f.Add(huge)
	f.Fuzz(func(t *testing.T, b []byte) {
		into := &Memory{table: new(table)}
		h, err := readState(bytes.NewReader(b), epoch{1, 2, 3}, into.restore)
		if err != nil {
			if !errors.Is(err, errCorrupt) {
				t.Errorf("%v is not counted as damage", err)
			}
			return
		}
		if into.live.Load() != int64(h.Count) || h.Floor < 0 || h.Floor > math.MaxUint32 || h.Retention > maxRetention {
			t.Errorf("accepted %+v with %d nonces", h, into.live.Load())
		}
		// What is accepted is what would be written.
		into.mark = &mark{epoch: h.Epoch}
		into.key = sipKey{h.K0, h.K1}
		into.floor.Store(h.Floor)
		into.retention.Store(h.Retention)
		var again bytes.Buffer
		if err := into.writeState(&again); err != nil || again.Len() != len(b) {
			t.Errorf("wrote %d bytes for %d: %v", again.Len(), len(b), err)
		}
	})
}

// A file may bear a valid checksum and still make no sense.
func TestSealedNonsenseIsDamage(t *testing.T) {
	one := []uint64{1, 2, epochStart}
	for name, test := range map[string]struct {
		change  func(*stateHeader)
		records [][]uint64
	}{
		"other magic":        {change: func(h *stateHeader) { h.Magic[0]++ }},
		"other run":          {change: func(h *stateHeader) { h.Epoch[0]++ }},
		"negative floor":     {change: func(h *stateHeader) { h.Floor = -1 }},
		"floor past 2106":    {change: func(h *stateHeader) { h.Floor = math.MaxUint32 + 1 }},
		"negative retention": {change: func(h *stateHeader) { h.Retention = -1 }},
		"endless retention":  {change: func(h *stateHeader) { h.Retention = maxRetention + 1 }},
		"no retention":       {change: func(h *stateHeader) { h.Retention = 0 }, records: [][]uint64{one}},
		"nonce twice":        {records: [][]uint64{one, one}},
		"nonce below floor":  {change: func(h *stateHeader) { h.Floor = epochStart }, records: [][]uint64{one}},
		"more than counted":  {change: func(h *stateHeader) { h.Count = 0 }, records: [][]uint64{one}},
		"less than counted":  {change: func(h *stateHeader) { h.Count = 2 }, records: [][]uint64{one}},
	} {
		t.Run(name, func(t *testing.T) {
			into := &Memory{table: new(table)}
			if _, err := readState(bytes.NewReader(seal(t, test.change, test.records)), epoch{1}, into.restore); !errors.Is(err, errCorrupt) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := readState(bytes.NewReader(seal(t, nil, [][]uint64{one})), epoch{1}, (&Memory{table: new(table)}).restore); err != nil {
		t.Errorf("the sound file: %v", err)
	}
}

func seal(t *testing.T, change func(*stateHeader), records [][]uint64) []byte {
	t.Helper()
	h := stateHeader{Epoch: epoch{1}, Retention: keep, Count: uint64(len(records))}
	copy(h.Magic[:], stateMagic)
	if change != nil {
		change(&h)
	}
	b, err := binary.Append(nil, binary.LittleEndian, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		b = binary.LittleEndian.AppendUint64(b, r[0])
		b = binary.LittleEndian.AppendUint64(b, r[1])
		b = binary.LittleEndian.AppendUint32(b, uint32(r[2]))
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}
