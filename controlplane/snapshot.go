package controlplane

import (
	"net/netip"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// Snapshot is all a gateway decides from: every key, every merchant and every
// allowlist at one revision, in memory. It never changes, so any number of
// requests read it without a lock; a change makes a new Snapshot by
// [Snapshot.Edit], which copies only the shards that it touches.
//
// The shards hold no pointers. The collector therefore does not look inside them,
// whatever the number of keys: maps of pointers to a million keys made its cycles
// last 3.4 s.
//
// It holds the secrets of the merchants. No method prints one, and none returns that
// of a live key.
type Snapshot struct {
	revision  int64
	keyCount  int
	merchants [shardCount]*merchantShard
	keys      [shardCount]*keyShard
}

// NewSnapshot returns an empty snapshot at revision 0.
func NewSnapshot() *Snapshot { return new(Snapshot) }

// Revision is the control plane's revision that the snapshot shows.
func (s *Snapshot) Revision() int64 { return s.revision }

// Len is the number of keys, revoked ones that are still known included.
func (s *Snapshot) Len() int { return s.keyCount }

// SnapshotStats says how large a snapshot is.
type SnapshotStats struct {
	Revision  int64
	Keys      int
	Merchants int
	// Bytes is the memory held by the shards.
	Bytes int64
}

// Stats walks the shards, not the keys: microseconds at any size.
func (s *Snapshot) Stats() SnapshotStats {
	st := SnapshotStats{Revision: s.revision, Keys: s.keyCount}
	for i := range shardCount {
		if k := s.keys[i]; k != nil {
			st.Bytes += k.bytes()
		}
		if m := s.merchants[i]; m != nil {
			st.Merchants += len(m.rows)
			st.Bytes += m.bytes()
		}
	}
	return st
}

// Key looks a key id up, in whatever state the key is. Unknown ids, and texts
// that are no key ids, are not found. It allocates nothing.
func (s *Snapshot) Key(id string) (Credential, bool) {
	name, ok := parseKeyID(id)
	if !ok {
		return Credential{}, false
	}
	shard := s.keys[name.hash().shard()]
	if shard == nil {
		return Credential{}, false
	}
	row, ok := shard.find(&name)
	if !ok || shard.rows[row].state() == stateAbsent {
		return Credential{}, false
	}
	return Credential{snapshot: s, shard: shard, row: row}, true
}

// Merchant looks a merchant up by the 16 bytes that [ParseID] makes of the id. It
// allocates nothing.
func (s *Snapshot) Merchant(raw [16]byte) (SnapshotMerchant, bool) {
	shard := s.merchants[hashMerchant(&raw).shard()]
	if shard == nil {
		return SnapshotMerchant{}, false
	}
	row, ok := shard.find(&raw)
	return SnapshotMerchant{shard: shard, row: row}, ok
}

// Credential is a key in a [Snapshot]. It is a view: cheap to copy, valid as long
// as it is held.
type Credential struct {
	snapshot *Snapshot
	shard    *keyShard
	row      uint32
}

// ID is the key id. It allocates; who has looked a key up already holds its id.
func (c Credential) ID() string {
	name := c.key().name()
	return name.id()
}

// Environment is what the key may reach.
func (c Credential) Environment() Environment {
	name := c.key().name()
	return name.env()
}

// State is the state as stored; [Credential.StateAt] also looks at the clock.
func (c Credential) State() KeyState { return c.key().keyState() }

// StateAt is the state of the key at a moment, by the rule of [APIKey.StateAt].
// A retirement is kept in whole seconds, rounded down.
func (c Credential) StateAt(now time.Time) KeyState {
	k := APIKey{State: c.State(), RetireAt: c.RetireAt()}
	return k.StateAt(now)
}

// RetireAt is when a retiring key stops working or a revoked one did; zero for an
// active key.
func (c Credential) RetireAt() time.Time {
	at, ok := c.shard.ends.get(c.row)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(at), 0)
}

// MAC makes the key's HMAC key, in 0.2 µs. It must not be copied to where it
// could be printed, or kept longer than the request.
func (c Credential) MAC() signature.MACKey { return c.shard.mac(c.row) }

// Merchant is whose key it is.
func (c Credential) Merchant() SnapshotMerchant {
	return c.snapshot.merchantAt(c.key().merchantRef())
}

// TestSecret is the secret of a test key, so that a wrong signature can be
// explained ("the secret was base64-decoded first"). It is the zero [Secret] for
// a live key, always.
func (c Credential) TestSecret() Secret {
	k := c.key()
	if c.Environment() != Test || k.secret == ([packedSecret]byte{}) {
		return Secret{}
	}
	return NewSecret(string(appendSecret(nil, Test, &k.secret)))
}

// LiveSibling returns the active live key of the same merchant, so that a request
// signed with the other environment's secret can be told.
func (c Credential) LiveSibling() (Credential, bool) {
	m := c.Merchant()
	ref := m.shard.rows[m.row].liveRef()
	if ref == noRef {
		return Credential{}, false
	}
	return Credential{snapshot: c.snapshot, shard: c.snapshot.keys[ref.shard()], row: ref.row()}, true
}

func (c Credential) key() *keyRow { return &c.shard.rows[c.row] }

// SnapshotMerchant is a merchant in a [Snapshot], a view like [Credential].
type SnapshotMerchant struct {
	shard *merchantShard
	row   uint32
}

func (s *Snapshot) merchantAt(ref rowRef) SnapshotMerchant {
	return SnapshotMerchant{shard: s.merchants[ref.shard()], row: ref.row()}
}

// Raw is the id in its 16 bytes.
func (m SnapshotMerchant) Raw() [16]byte { return m.shard.rows[m.row].id }

// AppendID appends the id as text ("mer_…") to dst.
func (m SnapshotMerchant) AppendID(dst []byte) []byte {
	raw := m.Raw()
	return idEncoding.AppendEncode(append(dst, PrefixMerchant...), raw[:])
}

// Suspended reports whether all keys of the merchant are to be refused.
func (m SnapshotMerchant) Suspended() bool { return m.shard.rows[m.row].suspended }

// Allowed reports whether addr may use the merchant's keys, and the Row of the
// most specific entry that lets it. IPv4-mapped IPv6 counts as IPv4 and a zone
// does not count. An invalid address and an empty allowlist are denied. The cost
// grows with the logarithm of the number of entries; it allocates nothing.
func (m SnapshotMerchant) Allowed(addr netip.Addr) (row int64, ok bool) {
	return m.shard.allowlist(m.row).match(addr)
}
