package controlplane

import (
	"context"
	"net/netip"
	"time"
)

// Store is the database: SQLite on one machine, PostgreSQL on several.
type Store interface {
	// View runs fn in a read-only transaction over one consistent state.
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn in a read-write transaction and returns after the commit is
	// durable. An error from fn undoes all that fn did and is returned as it is.
	// fn may run more than once and must not wait for anything but the Tx: on
	// SQLite it shares one writer, and one fsync, with its contemporaries.
	Update(ctx context.Context, fn func(Tx) error) error
	// Watch returns a channel that receives after commits that bumped the
	// revision. Wake-ups coalesce, and may be spurious; the channel closes when
	// ctx ends.
	Watch(ctx context.Context) <-chan struct{}
}

// Tx is one transaction. Look-ups that find nothing return [ErrNotFound], inserts
// that collide return [ErrDuplicate]. Listings are ordered by id.
//
// Every method on a merchant's data takes the merchant's id, and a row of another
// merchant is not found.
type Tx interface {
	MerchantTx
	UserTx
	KeyTx
	AllowlistTx
	AllowlistRequestTx
	AuditTx
	KeyringTx
	SnapshotTx
	WebhookTx
	StaffTokenTx
	RequestTx
	ApprovalTx
	AccountTx
	OutboxTx
	NodeTx

	// BumpRevision increments the revision that gateways follow and returns it.
	BumpRevision(ctx context.Context) (int64, error)
	// Revision returns the newest committed revision.
	Revision(ctx context.Context) (int64, error)
}

// MerchantTx holds the merchants.
type MerchantTx interface {
	InsertMerchant(ctx context.Context, m Merchant) error
	// UpdateMerchant writes name, state, updated_at and revision.
	UpdateMerchant(ctx context.Context, m Merchant) error
	Merchant(ctx context.Context, id string) (Merchant, error)
	Merchants(ctx context.Context, f MerchantFilter) ([]Merchant, error)
}

// UserTx holds the users of merchants and the platform's staff.
type UserTx interface {
	InsertUser(ctx context.Context, u User) error
	// UpdateUser writes email, role, disabled, the password, security_version and
	// updated_at.
	UpdateUser(ctx context.Context, u User) error
	User(ctx context.Context, merchantID, id string) (User, error)
	// UserByUsername is the one look-up without a merchant: it is how sign-in
	// learns which merchant it is for.
	UserByUsername(ctx context.Context, username string) (User, error)
	Users(ctx context.Context, f UserFilter) ([]User, error)

	InsertStaff(ctx context.Context, s Staff) error
	CountStaff(ctx context.Context) (int, error)
}

// KeyTx holds the API keys.
type KeyTx interface {
	InsertKey(ctx context.Context, k APIKey, sealedSecret []byte) error
	// UpdateKey writes state, retire_at and revision.
	UpdateKey(ctx context.Context, k APIKey) error
	Key(ctx context.Context, merchantID, id string) (APIKey, error)
	// ActiveKey is the one key that a unique index lets be active.
	ActiveKey(ctx context.Context, merchantID string, env Environment) (APIKey, error)
	// Keys lists a merchant's keys, newest first; env "" means both.
	Keys(ctx context.Context, merchantID string, env Environment) ([]APIKey, error)
	// SaveKeyUse raises last_used_at (never lowers it) and sets last_used_ip.
	SaveKeyUse(ctx context.Context, uses []KeyUse) error
}

// KeyUse is the newest use of a key since it was last written down.
type KeyUse struct {
	KeyID string
	At    time.Time
	IP    netip.Addr
}

// AllowlistTx holds the IP allowlists.
type AllowlistTx interface {
	// InsertAllowlistEntry assigns [AllowlistEntry.Row].
	InsertAllowlistEntry(ctx context.Context, e AllowlistEntry) (AllowlistEntry, error)
	// UpdateAllowlistNote writes the note of an entry.
	UpdateAllowlistNote(ctx context.Context, merchantID, id, note string) error
	DeleteAllowlistEntry(ctx context.Context, merchantID, id string) error
	AllowlistEntry(ctx context.Context, merchantID, id string) (AllowlistEntry, error)
	// Allowlist lists a merchant's entries, oldest first.
	Allowlist(ctx context.Context, merchantID string) ([]AllowlistEntry, error)
	// SaveAllowlistMatches raises last_match_at of the entries with these rows.
	SaveAllowlistMatches(ctx context.Context, matches []AllowlistMatch) error
}

// AllowlistRequestTx holds what merchants ask to have changed in their allowlists.
type AllowlistRequestTx interface {
	// InsertAllowlistRequest: [ErrDuplicate] while one about the same range waits.
	InsertAllowlistRequest(ctx context.Context, q AllowlistRequest) error
	// UpdateAllowlistRequest writes state, decided_at, decided_by and answer.
	UpdateAllowlistRequest(ctx context.Context, q AllowlistRequest) error
	AllowlistRequest(ctx context.Context, merchantID, id string) (AllowlistRequest, error)
	// AllowlistRequests lists newest first; After is the id that ended the page
	// before.
	AllowlistRequests(ctx context.Context, f AllowlistRequestFilter) ([]AllowlistRequest, error)
	// PendingAllowlistRequests lists those of every merchant, oldest first.
	PendingAllowlistRequests(ctx context.Context, p Page) ([]AllowlistRequest, error)
}

// AllowlistMatch is the newest match of an entry since it was last written down.
type AllowlistMatch struct {
	Row int64
	At  time.Time
}

// AuditTx holds the audit trail, which the database lets grow but not change.
type AuditTx interface {
	// AuditHead returns the end of the trail and, in an Update, holds every other
	// appender off until the transaction ends.
	AuditHead(ctx context.Context) (AuditHead, error)
	// AppendAudit writes e, whose Seq and hashes are set, and moves the head.
	AppendAudit(ctx context.Context, e AuditEvent) error
	AuditEvents(ctx context.Context, f AuditFilter) ([]AuditEvent, error)
	// AuditAfter returns up to limit rows with a larger Seq, oldest first.
	AuditAfter(ctx context.Context, seq int64, limit int) ([]AuditEvent, error)
}

// DataKey is a wrapped data key of the keyring, as stored.
type DataKey struct {
	ID        uint32
	Purpose   string
	RootID    string
	Wrapped   []byte
	CreatedAt time.Time
}

// SealedRow is one sealed column of one row, for re-encryption.
type SealedRow struct {
	Location SecretLocation
	Record   []byte
}

// KeyringTx holds the data keys and gives re-encryption access to sealed columns.
type KeyringTx interface {
	DataKeys(ctx context.Context) ([]DataKey, error)
	// PutDataKey inserts the key, or replaces the wrapping of one that is there.
	PutDataKey(ctx context.Context, k DataKey) error
	DeleteDataKey(ctx context.Context, id uint32) error
	// SealedRows returns up to limit rows of a purpose with a larger row id than
	// after, ordered by it.
	SealedRows(ctx context.Context, purpose, after string, limit int) ([]SealedRow, error)
	// ReplaceSealed writes a new record if the stored one is still old; false if
	// it is not.
	ReplaceSealed(ctx context.Context, purpose string, row SealedRow, old []byte) (bool, error)
}

// SnapshotTx streams what gateways need to know.
type SnapshotTx interface {
	// SnapshotSize counts the merchants and the active keys, so that room can be
	// made for them before they come.
	SnapshotSize(ctx context.Context) (merchants, keys int, err error)
	// SnapshotMerchants calls fn for each merchant changed after the revision,
	// with its whole allowlist.
	SnapshotMerchants(ctx context.Context, after int64, fn func(MerchantRecord) error) error
	// SnapshotKeys calls fn for each key changed after the revision, leaving out
	// keys revoked (or retired) before cutoff.
	SnapshotKeys(ctx context.Context, after int64, cutoff time.Time, fn func(KeyRecord) error) error
}

// MerchantRecord is a merchant as a gateway sees it.
type MerchantRecord struct {
	ID        string
	State     MerchantState
	Revision  int64
	Allowlist []AllowedPrefix
}

// AllowedPrefix is one allowlist entry as a gateway sees it.
type AllowedPrefix struct {
	Row    int64
	Prefix netip.Prefix
}

// KeyRecord is a key as a gateway sees it.
type KeyRecord struct {
	ID           string
	MerchantID   string
	Environment  Environment
	State        KeyState
	RetireAt     time.Time
	Revision     int64
	SealedSecret []byte
}
