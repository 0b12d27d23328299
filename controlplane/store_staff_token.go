package controlplane

import (
	"context"
	"time"
)

// StaffTokenTx holds the staff tokens. They belong to the platform.
type StaffTokenTx interface {
	InsertStaffToken(ctx context.Context, t StaffToken) error
	// RevokeStaffToken sets revoked_at.
	RevokeStaffToken(ctx context.Context, id string, at time.Time) error
	StaffToken(ctx context.Context, id string) (StaffToken, error)
	// StaffTokenByHash finds those that ended too.
	StaffTokenByHash(ctx context.Context, hash [32]byte) (StaffToken, error)
	StaffTokens(ctx context.Context, f StaffTokenFilter) ([]StaffToken, error)
	// SaveStaffTokenUse raises last_used_at.
	SaveStaffTokenUse(ctx context.Context, id string, at time.Time) error
}
