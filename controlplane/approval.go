package controlplane

import (
	"encoding/json"
	"time"
)

// ApprovalState is what became of a change that needs a second pair of eyes.
type ApprovalState string

const (
	ApprovalPending   ApprovalState = "pending"
	ApprovalApproved  ApprovalState = "approved"
	ApprovalRejected  ApprovalState = "rejected"
	ApprovalWithdrawn ApprovalState = "withdrawn"
	// ApprovalExpired is never stored: see [Approval.StateAt].
	ApprovalExpired ApprovalState = "expired"
)

const (
	// ApprovalLife is how long a change waits: what nobody looked at for a week was
	// decided in another world.
	ApprovalLife = 7 * 24 * time.Hour
	// BreakGlassShown is how long the console shows what was done without a second
	// pair of eyes.
	BreakGlassShown = 30 * 24 * time.Hour
	// MaxPendingApprovals bounds what a stolen session can pile up.
	MaxPendingApprovals = 100
)

// Approval is a change that one member of staff asked for and another one has to
// carry out; or, if BreakGlass, one that did not wait for that.
type Approval struct {
	ID string `json:"id"`
	// MerchantID is empty for a change to the platform itself.
	MerchantID string    `json:"merchant_id,omitempty"`
	Operation  Operation `json:"operation"`
	// Target is what would be changed; empty for what there is not yet.
	Target string `json:"target,omitempty"`
	// Input is that of the operation, as it is carried out later.
	Input json.RawMessage `json:"input"`
	// Diff is what would change, found out by rehearsing it.
	Diff  json.RawMessage `json:"diff,omitempty"`
	State ApprovalState   `json:"state"`
	// BreakGlass: it was carried out at once, and Reason says why.
	BreakGlass bool      `json:"break_glass,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	// CreatedByID is the member of staff who must not decide.
	CreatedByID string    `json:"created_by_id"`
	CreatedBy   string    `json:"created_by"`
	DecidedAt   time.Time `json:"decided_at,omitzero"`
	DecidedByID string    `json:"decided_by_id,omitempty"`
	DecidedBy   string    `json:"decided_by,omitempty"`
	// Answer is what was written with a rejection.
	Answer string `json:"answer,omitempty"`
}

// StateAt is the state at a moment: one that waited too long has expired without
// anyone having to write that down.
func (q Approval) StateAt(now time.Time) ApprovalState {
	if q.State == ApprovalPending && !now.Before(q.ExpiresAt) {
		return ApprovalExpired
	}
	return q.State
}

// ApprovalFilter selects approvals, newest first.
type ApprovalFilter struct {
	MerchantID string `json:"merchant_id,omitempty"`
	// State: empty means all; pending ones that have expired are not selected.
	State ApprovalState `json:"state,omitempty" validate:"omitempty,oneof=pending approved rejected withdrawn"`
	// BreakGlass selects only those that did not wait.
	BreakGlass bool      `json:"break_glass,omitempty"`
	Since      time.Time `json:"since,omitzero"`
	Page

	// At is the moment at which pending ones must still be open. The service sets it.
	At time.Time `json:"-"`
}
