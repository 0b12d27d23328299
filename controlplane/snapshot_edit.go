package controlplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

var (
	errShardFull       = errors.New("the snapshot holds no more: a shard has a million rows")
	errUnknownMerchant = errors.New("the key belongs to a merchant that the snapshot does not have")
	errBadKeyID        = errors.New("not a key id of its environment")
	errBadMerchantID   = errors.New("not a merchant id")
)

// KeyMaterial is what of an opened secret a gateway keeps. It prints nothing of it.
type KeyMaterial struct {
	secret [packedSecret]byte
	mac    signature.MACKey // of a secret that has another form than those that are issued
	odd    bool
}

// NewKeyMaterial takes an opened secret. The secret of a test key that has another form
// than those that are issued cannot be asked for again.
func NewKeyMaterial(env Environment, secret []byte) (m KeyMaterial, err error) {
	packed, ok := packSecret(env, secret)
	if ok && packed != m.secret {
		m.secret = packed
		return m, nil
	}
	m.odd = true
	m.mac, err = signature.NewMACKey(secret)
	return m, err
}

// Format keeps the material out of logs, whatever the verb.
func (KeyMaterial) Format(f fmt.State, verb rune) { Secret{}.Format(f, verb) }

// SnapshotEdit collects changes to a [Snapshot] and makes the next one of them.
// The snapshot it began with is not touched. It is for one goroutine at a time.
type SnapshotEdit struct {
	next          *Snapshot
	ownsKeys      [shardCount]bool
	ownsMerchants [shardCount]bool
	whole         bool // see expect
}

// Edit begins a change.
func (s *Snapshot) Edit() *SnapshotEdit {
	next := *s
	return &SnapshotEdit{next: &next}
}

// expect makes room for a whole load, in which no merchant and no key comes twice: they
// are not looked for, and are found only when [SnapshotEdit.indexMerchants] was called,
// or the edit has ended. Shards that grow by themselves copy every row two times, and an
// index that is there all along is another read from main memory for each row.
func (e *SnapshotEdit) expect(merchants, keys int) {
	e.whole = true
	for n := range uint32(shardCount) {
		if rows := expectedRows(merchants); rows > 0 {
			m := e.merchantShard(n)
			m.rows = slices.Grow(m.rows, rows)
		}
		if rows := expectedRows(keys); rows > 0 {
			k := e.keyShard(n)
			k.rows = slices.Grow(k.rows, rows)
		}
	}
}

// indexMerchants makes the merchants of a whole load known, before their keys come.
func (e *SnapshotEdit) indexMerchants() {
	for n, m := range e.next.merchants {
		if e.ownsMerchants[n] {
			m.reindex(indexSize(len(m.rows)))
		}
	}
}

// expectedRows is how many of n rows a shard gets, and a few more, or 0 when
// there are too few to prepare for.
func expectedRows(n int) int {
	if n < 8*shardCount {
		return 0
	}
	mean := n / shardCount
	return mean + mean/16 // one standard deviation at a million
}

// SetMerchant adds a merchant or replaces it. Merchants come before their keys.
// A merchant whose allowlist cannot be held is kept with an empty one, so that
// all its requests are refused, and the reason is returned.
func (e *SnapshotEdit) SetMerchant(m MerchantRecord) error {
	id, ok := ParseID(PrefixMerchant, m.ID)
	if !ok {
		return fmt.Errorf("merchant %q: %w", m.ID, errBadMerchantID)
	}
	shard := e.merchantShard(hashMerchant(&id).shard())
	row, found := shard.find(&id)
	switch {
	case found:
	case len(shard.rows) >= maxRows:
		return fmt.Errorf("merchant %s: %w", m.ID, errShardFull)
	case e.whole:
		row = shard.put(id)
	default:
		row = shard.add(id)
	}
	shard.rows[row].suspended = m.State != MerchantActive
	list, err := packAllowlist(m.Allowlist)
	shard.setAllowlist(row, list)
	if err != nil {
		return fmt.Errorf("merchant %s: %w", m.ID, err)
	}
	return nil
}

// SetKey adds a key or replaces it.
func (e *SnapshotEdit) SetKey(k KeyRecord, m KeyMaterial) error {
	merchant, ok := e.merchantRef(k.MerchantID)
	if !ok {
		return fmt.Errorf("key %s: %w", k.ID, errUnknownMerchant)
	}
	return e.setKey(k, merchant, m)
}

func (e *SnapshotEdit) setKey(k KeyRecord, merchant rowRef, m KeyMaterial) error {
	name, ok := parseKeyID(k.ID)
	if !ok || name.env() != k.Environment {
		return fmt.Errorf("key %q: %w", k.ID, errBadKeyID)
	}
	n := name.hash().shard()
	shard := e.keyShard(n)
	row, found := shard.find(&name)
	switch {
	case found:
	case len(shard.rows) >= maxRows:
		return fmt.Errorf("key %s: %w", k.ID, errShardFull)
	case e.whole:
		row = shard.put(name)
	default:
		row = shard.add(name)
	}
	if shard.rows[row].state() == stateAbsent {
		e.next.keyCount++
	}
	shard.set(row, k, merchant, m)
	e.linkLive(merchant, newRef(n, row), k.Environment == Live && k.State == KeyActive)
	return nil
}

func (s *keyShard) set(row uint32, r KeyRecord, merchant rowRef, m KeyMaterial) {
	k := &s.rows[row]
	k.setState(packState(r.State))
	binary.LittleEndian.PutUint32(k.merchant[:], uint32(merchant))
	k.secret = m.secret
	s.ends.set(row, packTime(r.RetireAt), !r.RetireAt.IsZero())
	s.macs.set(row, m.mac, m.odd)
}

// RemoveKey makes a key unknown. Its row stays, empty: rows keep their places.
func (e *SnapshotEdit) RemoveKey(id string) {
	name, ok := parseKeyID(id)
	if !ok {
		return
	}
	n := name.hash().shard()
	shard := e.keyShard(n)
	row, found := shard.find(&name)
	if !found || shard.rows[row].state() == stateAbsent {
		return
	}
	merchant := shard.rows[row].merchantRef()
	shard.rows[row] = keyRow{nameAndState: name}
	shard.ends.set(row, 0, false)
	shard.macs.set(row, signature.MACKey{}, false)
	e.linkLive(merchant, newRef(n, row), false)
	e.next.keyCount--
}

// Snapshot ends the edit, which must not be used afterwards.
func (e *SnapshotEdit) Snapshot(revision int64) *Snapshot {
	for i := range shardCount {
		if e.ownsKeys[i] {
			e.next.keys[i].trim()
		}
		if e.ownsMerchants[i] {
			e.next.merchants[i].trim()
		}
		if k := e.next.keys[i]; e.whole && k != nil {
			k.reindex(indexSize(len(k.rows)))
		}
	}
	e.next.revision = revision
	return e.next
}

// linkLive notes at the merchant which key is its active live one, or that this
// one no longer is.
func (e *SnapshotEdit) linkLive(merchant, key rowRef, active bool) {
	was := e.next.merchants[merchant.shard()].rows[merchant.row()].liveRef()
	switch {
	case active && was != key:
		e.merchantShard(merchant.shard()).rows[merchant.row()].setLive(key)
	case !active && was == key:
		e.merchantShard(merchant.shard()).rows[merchant.row()].setLive(noRef)
	}
}

func (e *SnapshotEdit) merchantRef(id string) (rowRef, bool) {
	raw, ok := ParseID(PrefixMerchant, id)
	if !ok {
		return noRef, false
	}
	m, ok := e.next.Merchant(raw)
	return newRef(hashMerchant(&raw).shard(), m.row), ok
}

func (e *SnapshotEdit) keyShard(n uint32) *keyShard {
	if !e.ownsKeys[n] {
		e.ownsKeys[n] = true
		if old := e.next.keys[n]; old != nil {
			e.next.keys[n] = old.clone()
		} else {
			e.next.keys[n] = new(keyShard)
		}
	}
	return e.next.keys[n]
}

func (e *SnapshotEdit) merchantShard(n uint32) *merchantShard {
	if !e.ownsMerchants[n] {
		e.ownsMerchants[n] = true
		if old := e.next.merchants[n]; old != nil {
			e.next.merchants[n] = old.clone()
		} else {
			e.next.merchants[n] = new(merchantShard)
		}
	}
	return e.next.merchants[n]
}
