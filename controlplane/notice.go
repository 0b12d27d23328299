package controlplane

import (
	"net/netip"
	"time"
)

// AccountNoticeKind is what an [AccountNotice] tells of.
type AccountNoticeKind string

// What people are told about their account, so that they notice what they did not
// do themselves.
const (
	NoticeNewDevice           AccountNoticeKind = "new_device"
	NoticeLockout             AccountNoticeKind = "lockout"
	NoticePasswordChanged     AccountNoticeKind = "password_changed"
	NoticeSecondFactorAdded   AccountNoticeKind = "second_factor_added"
	NoticeSecondFactorRemoved AccountNoticeKind = "second_factor_removed"
	NoticeRecoveryCodeUsed    AccountNoticeKind = "recovery_code_used"
	NoticeRecoveryCodesMade   AccountNoticeKind = "recovery_codes_made"
)

// AccountNotice is one thing that the owner of an account is to be told.
type AccountNotice struct {
	Kind      AccountNoticeKind
	AccountID string
	Username  string
	Email     string
	At        time.Time
	IP        netip.Addr
}

// KeyNoticeKind is what a [KeyNotice] tells of.
type KeyNoticeKind string

const (
	KeyNoticeIssued   KeyNoticeKind = "key_issued"
	KeyNoticeRotated  KeyNoticeKind = "key_rotated"  // the key is the old one
	KeyNoticeRetired  KeyNoticeKind = "key_retired"  // stopped, or soon to be
	KeyNoticeStopping KeyNoticeKind = "key_stopping" // about to stop, and still used
)

// KeyNotice is something that a merchant's people should know about a key.
type KeyNotice struct {
	Kind KeyNoticeKind
	Key  APIKey
	At   time.Time
}

// EndpointNoticeKind is what an [EndpointNotice] tells of.
type EndpointNoticeKind string

const (
	NoticeEndpointFailing   EndpointNoticeKind = "failing"   // its breaker is open
	NoticeEndpointRecovered EndpointNoticeKind = "recovered" // it answers again after that
	NoticeEndpointPaused    EndpointNoticeKind = "paused"    // it asked to be left alone for a while
	NoticeEndpointDisabled  EndpointNoticeKind = "disabled"  // by hand, by its 410, or after days
)

// EndpointNotice is something that a merchant's people should know about a webhook
// endpoint.
type EndpointNotice struct {
	Kind     EndpointNoticeKind
	Endpoint Endpoint
	At       time.Time
	// Since is when an outage that goes on, or is over, began.
	Since time.Time
	// Breaker is why an endpoint that fails is only probed.
	Breaker BreakerReason
	// PausedUntil is of a pause.
	PausedUntil time.Time
}

// ApprovalNotice is a change that waits for a second pair of eyes, or that did not
// wait for one.
type ApprovalNotice struct {
	Approval Approval
	At       time.Time
}
