package storetest

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func staffTokenContract() []contract {
	return []contract{
		{"staff tokens are found by id, hash and member", staffTokens},
		{"the last use of a staff token never goes back", staffTokenUse},
	}
}

// staffToken is one with every field filled in.
func staffToken(s controlplane.Staff, n int) controlplane.StaffToken {
	return controlplane.StaffToken{
		ID: ID(controlplane.PrefixStaffToken, n), StaffID: s.ID, Username: s.Username, Name: "reports", Confirmed: true,
		CreatedAt: At(n), CreatedBy: "sam", ExpiresAt: At(n + 90), LastUsedAt: At(n + 1), SecurityVersion: 7, Hash: [32]byte{1, byte(n)},
	}
}

func staffTokens(k *kit) {
	first, second := fullStaff(), fullStaff()
	second.ID, second.Username = ID(controlplane.PrefixStaff, 99), "other"
	a, b := staffToken(first, 1), staffToken(second, 2)
	b.Confirmed = false
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		for _, s := range []controlplane.Staff{first, second} {
			if err := tx.InsertStaff(ctx, s); err != nil {
				return err
			}
		}
		if err := tx.InsertStaffToken(ctx, b); err != nil {
			return err
		}
		return tx.InsertStaffToken(ctx, a)
	})
	k.wants(controlplane.ErrDuplicate, func(ctx context.Context, tx controlplane.Tx) error {
		again := a
		again.ID = ID(controlplane.PrefixStaffToken, 3)
		return tx.InsertStaffToken(ctx, again)
	})
	list := func(staffID string) []controlplane.StaffToken {
		return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.StaffToken, error) {
			return tx.StaffTokens(ctx, controlplane.StaffTokenFilter{StaffID: staffID})
		})
	}
	same(k, list(""), []controlplane.StaffToken{a, b})
	same(k, list(second.ID), []controlplane.StaffToken{b})
	same(k, list("stf_x"), nil)
	same(k, read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.StaffToken, error) {
		return tx.StaffToken(ctx, a.ID)
	}), a)
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.RevokeStaffToken(ctx, a.ID, At(5)) })
	a.RevokedAt = At(5)
	same(k, read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.StaffToken, error) {
		return tx.StaffTokenByHash(ctx, a.Hash)
	}), a)
	k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.RevokeStaffToken(ctx, "stt_x", At(5)) })
	for _, look := range []func(context.Context, controlplane.Tx) (controlplane.StaffToken, error){
		func(ctx context.Context, tx controlplane.Tx) (controlplane.StaffToken, error) {
			return tx.StaffToken(ctx, "stt_x")
		},
		func(ctx context.Context, tx controlplane.Tx) (controlplane.StaffToken, error) {
			return tx.StaffTokenByHash(ctx, [32]byte{9})
		},
	} {
		missing(k, look)
	}
}

func staffTokenUse(k *kit) {
	s := fullStaff()
	t := staffToken(s, 1)
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		if err := tx.InsertStaff(ctx, s); err != nil {
			return err
		}
		return tx.InsertStaffToken(ctx, t)
	})
	for _, at := range []int{8, 4} {
		k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.SaveStaffTokenUse(ctx, t.ID, At(at)) })
	}
	t.LastUsedAt = At(8)
	same(k, read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.StaffToken, error) {
		return tx.StaffToken(ctx, t.ID)
	}), t)
}
