package controlplane

import (
	"context"
	"net/netip"
	"time"
)

// AccountTx holds what sign-in needs beyond [UserTx]: the platform's staff by
// name, sessions, second factors, devices, counters and histories.
//
// An account is a user or a member of staff. Their ids have different prefixes,
// so one table serves both, and every row names its account: a session, code or
// device of another account is not found.
type AccountTx interface {
	StaffTx
	SessionTx
	SecondFactorTx
	PasswordHistoryTx
	ThrottleTx
	DeviceTx
	SignInTx
}

// StaffTx holds the platform's staff, for their sign-in.
type StaffTx interface {
	StaffMember(ctx context.Context, id string) (Staff, error)
	StaffByUsername(ctx context.Context, username string) (Staff, error)
	StaffMembers(ctx context.Context, p Page) ([]Staff, error)
	// UpdateStaff writes what [UserTx.UpdateUser] writes of a user.
	UpdateStaff(ctx context.Context, s Staff) error
}

// SessionState is how far a sign-in has come.
type SessionState string

const (
	// SessionPending2FA: the password was right, the second factor is to come.
	SessionPending2FA SessionState = "pending_2fa"
	// SessionPendingPassword: nothing but a new password is accepted.
	SessionPendingPassword SessionState = "pending_password"
	// SessionPendingEnrol: nothing but the enrolment of a second factor is
	// accepted.
	SessionPendingEnrol SessionState = "pending_enrol"
	SessionActive       SessionState = "active"
)

// Session is one browser that has come at least half-way in.
type Session struct {
	ID         string       `json:"id"`
	Kind       ActorKind    `json:"kind"`
	AccountID  string       `json:"account_id"`
	MerchantID string       `json:"merchant_id,omitempty"`
	State      SessionState `json:"state"`
	// SecretHash is SHA-256 of the half of the token that only the browser has.
	SecretHash [32]byte `json:"-"`
	// Tries counts second factors tried in this session.
	Tries int `json:"-"`
	// SecurityVersion is that of the account when the session began.
	SecurityVersion int64 `json:"-"`
	// SecondFactor: it was shown in this session.
	SecondFactor bool      `json:"second_factor"`
	CreatedAt    time.Time `json:"created_at"`
	// ExpiresAt ends the session whatever happens.
	ExpiresAt  time.Time  `json:"expires_at"`
	LastSeenAt time.Time  `json:"last_seen_at"`
	SudoUntil  time.Time  `json:"sudo_until,omitzero"`
	IP         netip.Addr `json:"ip"`
	UserAgent  string     `json:"user_agent"`
	// DeviceHash is SHA-256 of the token of the known device that signs in; zero
	// for an unknown one.
	DeviceHash [32]byte `json:"-"`
}

// SessionSeen is the newest use of a session since it was last written down.
type SessionSeen struct {
	ID string
	At time.Time
}

// SessionTx holds the sessions.
type SessionTx interface {
	InsertSession(ctx context.Context, s Session) error
	Session(ctx context.Context, id string) (Session, error)
	// Sessions lists an account's sessions, oldest first.
	Sessions(ctx context.Context, accountID string) ([]Session, error)
	// CountTry adds a try to the session and returns their number.
	CountTry(ctx context.Context, id string) (int, error)
	// SaveSessionsSeen raises last_seen_at.
	SaveSessionsSeen(ctx context.Context, seen []SessionSeen) error
	DeleteSession(ctx context.Context, accountID, id string) error
	// DeleteSessions deletes the account's sessions and returns how many there were.
	DeleteSessions(ctx context.Context, accountID string) (int64, error)
	// DeleteEndedSessions deletes those expired by now or unseen since idle.
	DeleteEndedSessions(ctx context.Context, now, idle time.Time) (int64, error)
}

// TOTPSeed is a sealed TOTP seed: the confirmed one of an account, or one that
// waits to be confirmed beside it.
type TOTPSeed struct {
	ID         string
	AccountID  string
	MerchantID string
	Confirmed  bool
	Sealed     []byte
	// LastStep is the newest 30-second step whose code was accepted.
	LastStep  int64
	CreatedAt time.Time
}

// SecondFactorTx holds TOTP seeds and recovery codes.
type SecondFactorTx interface {
	// PutPendingSeed replaces the account's pending seed; a confirmed one stays.
	PutPendingSeed(ctx context.Context, s TOTPSeed) error
	Seed(ctx context.Context, accountID string, confirmed bool) (TOTPSeed, error)
	// ConfirmSeed makes the pending seed with this id the only one, with the step
	// whose code confirmed it. [ErrNotFound] if it is not pending any more.
	ConfirmSeed(ctx context.Context, accountID, seedID string, step int64) error
	// SpendStep raises the last step of the confirmed seed with this id; false if
	// it is that high already.
	SpendStep(ctx context.Context, accountID, seedID string, step int64) (bool, error)
	// DeleteSeeds deletes the account's seeds, confirmed and pending.
	DeleteSeeds(ctx context.Context, accountID string) error

	// ReplaceRecoveryCodes deletes the account's codes and stores these hashes.
	ReplaceRecoveryCodes(ctx context.Context, accountID string, hashes [][32]byte) error
	// SpendRecoveryCode deletes the account's code with this hash; false if there
	// is none.
	SpendRecoveryCode(ctx context.Context, accountID string, hash [32]byte) (bool, error)
	RecoveryCodesLeft(ctx context.Context, accountID string) (int, error)
}

// PasswordHistoryTx holds former passwords, as hashes.
type PasswordHistoryTx interface {
	// AddPastPassword stores a former hash and keeps the newest keep of them.
	AddPastPassword(ctx context.Context, accountID string, hash Secret, at time.Time, keep int) error
	// PastPasswords lists the former hashes, newest first.
	PastPasswords(ctx context.Context, accountID string) ([]Secret, error)
}

// Attempts is the state of a throttle's bucket.
type Attempts struct {
	Count  int
	EndsAt time.Time
}

// ThrottleTx holds the counters of attempts.
type ThrottleTx interface {
	// CountAttempt adds one to the bucket, which begins anew once its window has
	// ended.
	CountAttempt(ctx context.Context, bucket string, now time.Time, window time.Duration) (Attempts, error)
	// RefundAttempt takes back one count of the window that ends at endsAt.
	RefundAttempt(ctx context.Context, bucket string, endsAt time.Time) error
	DeleteEndedThrottles(ctx context.Context, now time.Time) (int64, error)
}

// Device is a browser that has signed in to an account before.
type Device struct {
	AccountID string `json:"-"`
	// TokenHash is SHA-256 of the token in the browser's cookie.
	TokenHash  [32]byte   `json:"-"`
	CreatedAt  time.Time  `json:"created_at"`
	LastSeenAt time.Time  `json:"last_seen_at"`
	IP         netip.Addr `json:"ip"`
	UserAgent  string     `json:"user_agent"`
}

// DeviceTx holds the known devices.
type DeviceTx interface {
	// PutDevice inserts the device, or writes when and from where it was last seen.
	PutDevice(ctx context.Context, d Device) error
	Device(ctx context.Context, accountID string, tokenHash [32]byte) (Device, error)
	// DeviceInUse reports whether any account knows the device: a browser may serve
	// several.
	DeviceInUse(ctx context.Context, tokenHash [32]byte) (bool, error)
	// DeleteDevices makes the account forget its devices.
	DeleteDevices(ctx context.Context, accountID string) error
	DeleteOldDevices(ctx context.Context, before time.Time) (int64, error)
}

// SignIn is one row of an account's sign-in history.
type SignIn struct {
	AccountID string    `json:"-"`
	At        time.Time `json:"at"`
	// Outcome: denied means that the throttle refused it unchecked.
	Outcome Outcome `json:"outcome"`
	// Step is what was shown: password, totp, recovery_code or sudo.
	Step      string     `json:"step"`
	NewDevice bool       `json:"new_device"`
	IP        netip.Addr `json:"ip"`
	UserAgent string     `json:"user_agent"`
}

// SignInTx holds the sign-in histories.
type SignInTx interface {
	InsertSignIn(ctx context.Context, s SignIn) error
	// SignIns lists up to limit rows, newest first.
	SignIns(ctx context.Context, accountID string, limit int) ([]SignIn, error)
	DeleteOldSignIns(ctx context.Context, before time.Time) (int64, error)
}
