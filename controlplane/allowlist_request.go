package controlplane

import (
	"net/netip"
	"time"
)

// AllowlistAction is what a merchant asks to have done to their allowlist.
type AllowlistAction string

const (
	AllowlistAdd    AllowlistAction = "add"
	AllowlistRemove AllowlistAction = "remove"
)

// AllowlistRequestState is what became of a request.
type AllowlistRequestState string

const (
	AllowlistPending   AllowlistRequestState = "pending"
	AllowlistApproved  AllowlistRequestState = "approved"
	AllowlistRejected  AllowlistRequestState = "rejected"
	AllowlistWithdrawn AllowlistRequestState = "withdrawn"
)

// MaxPendingAllowlistRequests of one merchant: more than a person reviews at a
// time, and a bound for what a stolen session can pile up.
const MaxPendingAllowlistRequests = 20

// AllowlistRequest is a merchant's wish to have a range let in or taken out. The
// platform team decides; approving carries it out.
type AllowlistRequest struct {
	ID         string          `json:"id"`
	MerchantID string          `json:"merchant_id"`
	Action     AllowlistAction `json:"action"`
	Prefix     netip.Prefix    `json:"cidr"`
	// Reason says whose address it is; it becomes the note of an added entry.
	Reason    string                `json:"reason"`
	State     AllowlistRequestState `json:"state"`
	CreatedAt time.Time             `json:"created_at"`
	CreatedBy string                `json:"created_by"`
	// DecidedAt and DecidedBy tell of the approval, rejection or withdrawal.
	DecidedAt time.Time `json:"decided_at,omitzero"`
	DecidedBy string    `json:"decided_by,omitempty"`
	// Answer is what the platform team wrote with a rejection.
	Answer string `json:"answer,omitempty"`
}

// AllowlistRequestFilter selects requests of one merchant, newest first.
type AllowlistRequestFilter struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	// State: empty means all.
	State AllowlistRequestState `json:"state,omitempty" validate:"omitempty,oneof=pending approved rejected withdrawn"`
	Page
}
