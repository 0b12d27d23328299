package controlplane

import "context"

// ApprovalTx holds the changes that need a second pair of eyes. They belong to the
// platform: no user of a merchant reads them.
type ApprovalTx interface {
	InsertApproval(ctx context.Context, q Approval) error
	// UpdateApproval writes state, decided_at, decided_by_id, decided_by and answer.
	UpdateApproval(ctx context.Context, q Approval) error
	Approval(ctx context.Context, id string) (Approval, error)
	// Approvals lists newest first; After is the id that ended the page before.
	Approvals(ctx context.Context, f ApprovalFilter) ([]Approval, error)
	// CountAdmins counts the platform admins who are enabled, apart from the accounts
	// with these two ids; with enrolled, only those who have a second factor.
	CountAdmins(ctx context.Context, enrolled bool, but, and string) (int, error)
}
