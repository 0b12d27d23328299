package controlplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

var (
	errShardFull       = errors.New("the snapshot holds no more: a shard has a million rows")
	errUnknownMerchant = errors.New("the key belongs to a merchant that the snapshot does not have")
	errBadKeyID        = errors.New("not a key id of its environment")
	errBadMerchantID   = errors.New("not a merchant id")
)

// KeyMaterial is what of an opened secret a gateway keeps: the HMAC key, and for
// a test key the secret. It prints nothing of either.
type KeyMaterial struct {
	mac   signature.MACKey
	raw   [secretBytes]byte
	known bool // raw is set
}

// NewKeyMaterial derives it from an opened secret. The secret is kept for test
// keys only, and only when it has the form in which keys are issued.
func NewKeyMaterial(env Environment, secret []byte) (KeyMaterial, error) {
	mac, err := signature.NewMACKey(secret)
	if err != nil {
		return KeyMaterial{}, err
	}
	m := KeyMaterial{mac: mac}
	if text := string(secret); env == Test && SecretLooksRight(text) {
		m.raw, m.known = secretRaw(text)
	}
	return m, nil
}

// Format keeps the material out of logs, whatever the verb.
func (KeyMaterial) Format(f fmt.State, verb rune) { Secret{}.Format(f, verb) }

// secretRaw is the inverse of what newSecret does, for a text that looks right.
func secretRaw(text string) (raw [secretBytes]byte, ok bool) {
	n, ok := new(big.Int).SetString(text[len("unks_test_"):len(text)-crcChars], 62)
	if !ok || n.Sign() < 0 || n.BitLen() > 8*secretBytes {
		return raw, false
	}
	n.FillBytes(raw[:])
	return raw, true
}

// SnapshotEdit collects changes to a [Snapshot] and makes the next one of them.
// The snapshot it began with is not touched. It is for one goroutine at a time.
type SnapshotEdit struct {
	next          *Snapshot
	ownsKeys      [shardCount]bool
	ownsMerchants [shardCount]bool
}

// Edit begins a change.
func (s *Snapshot) Edit() *SnapshotEdit {
	next := *s
	return &SnapshotEdit{next: &next}
}

// expect makes room for a whole load. Shards that grow by themselves copy every
// row two times and index it five: half a second for a million keys.
func (e *SnapshotEdit) expect(merchants, keys int) {
	for n := range uint32(shardCount) {
		if rows := expectedRows(merchants); rows > 0 {
			e.merchantShard(n).expect(rows)
		}
		if rows := expectedRows(keys); rows > 0 {
			e.keyShard(n).expect(rows)
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
	row, ok := shard.find(&id)
	if !ok {
		if len(shard.rows) >= maxRows {
			return fmt.Errorf("merchant %s: %w", m.ID, errShardFull)
		}
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
	name, ok := parseKeyID(k.ID)
	if !ok || name.env() != k.Environment {
		return fmt.Errorf("key %q: %w", k.ID, errBadKeyID)
	}
	merchant, ok := e.merchantRef(k.MerchantID)
	if !ok {
		return fmt.Errorf("key %s: %w", k.ID, errUnknownMerchant)
	}
	n := name.hash().shard()
	shard := e.keyShard(n)
	row, found := shard.find(&name)
	if !found {
		if len(shard.rows) >= maxRows {
			return fmt.Errorf("key %s: %w", k.ID, errShardFull)
		}
		row = shard.add(keyRow{name: name})
	}
	if shard.rows[row].state == stateAbsent {
		e.next.keyCount++
	}
	shard.rows[row].set(k, merchant, m)
	shard.setTestSecret(row, m.raw, m.known)
	e.linkLive(merchant, newRef(n, row), k.Environment == Live && k.State == KeyActive)
	return nil
}

func (k *keyRow) set(r KeyRecord, merchant rowRef, m KeyMaterial) {
	k.state = packState(r.State)
	binary.LittleEndian.PutUint32(k.merchant[:], uint32(merchant))
	binary.LittleEndian.PutUint32(k.retire[:], packTime(r.RetireAt))
	k.mac = m.mac
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
	if !found || shard.rows[row].state == stateAbsent {
		return
	}
	merchant := shard.rows[row].merchantRef()
	shard.rows[row] = keyRow{name: name}
	shard.setTestSecret(row, [secretBytes]byte{}, false)
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
	}
	e.next.revision = revision
	return e.next
}

// linkLive notes at the merchant which key is its active live one, or that this
// one no longer is.
func (e *SnapshotEdit) linkLive(merchant, key rowRef, active bool) {
	was := e.next.merchants[merchant.shard()].rows[merchant.row()].live
	switch {
	case active && was != key:
		e.merchantShard(merchant.shard()).rows[merchant.row()].live = key
	case !active && was == key:
		e.merchantShard(merchant.shard()).rows[merchant.row()].live = noRef
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
