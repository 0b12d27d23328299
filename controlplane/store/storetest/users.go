package storetest

import (
	"context"
	"fmt"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func userContract() []contract {
	return []contract{
		{"every field comes back", func(k *kit) {
			u := fullUser(k.merchants(1)[0].ID)
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertUser(ctx, u) })
			same(k, user(k, u.MerchantID, u.ID), u)
			same(k, userByName(k, u.Username), u)
		}},
		{"an update writes what may change", func(k *kit) {
			u := newUser(k, k.merchants(1)[0].ID, 1)
			changed := fullUser(u.MerchantID)
			changed.ID, changed.Username, changed.CreatedAt = u.ID, u.Username, u.CreatedAt
			written := changed
			written.Username, written.CreatedAt = "other", At(5000)
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateUser(ctx, written) })
			same(k, user(k, u.MerchantID, u.ID), changed)
		}},
		{"a username is unique over all merchants", func(k *kit) {
			ms := k.merchants(2)
			newUser(k, ms[0].ID, 1)
			other := fullUser(ms[1].ID)
			other.Username = "user1"
			k.wants(controlplane.ErrDuplicate, func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertUser(ctx, other) })
		}},
		{"a user of another merchant is not found", func(k *kit) {
			ms := k.merchants(2)
			u := newUser(k, ms[0].ID, 1)
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.User, error) {
				return tx.User(ctx, ms[1].ID, u.ID)
			})
			foreign := u
			foreign.MerchantID = ms[1].ID
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateUser(ctx, foreign) })
			same(k, user(k, ms[0].ID, u.ID), u)
			same(k, users(k, controlplane.UserFilter{MerchantID: ms[1].ID}), nil)
		}},
		{"an unknown user is not found", func(k *kit) {
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.User, error) {
				return tx.User(ctx, "mer_x", "usr_x")
			})
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.User, error) {
				return tx.UserByUsername(ctx, "nobody")
			})
		}},
		{"a user of no merchant is refused as not found", func(k *kit) {
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertUser(ctx, fullUser("mer_x")) })
		}},
		{"listings are ordered by id and come in pages", func(k *kit) {
			m := k.merchants(1)[0].ID
			var all []controlplane.User
			for n := range 5 {
				all = append(all, newUser(k, m, n+1))
			}
			same(k, users(k, controlplane.UserFilter{MerchantID: m}), all)
			same(k, users(k, controlplane.UserFilter{MerchantID: m, Page: controlplane.Page{After: all[1].ID, Limit: 2}}), all[2:4])
		}},
		{"staff are counted, and a username is theirs once", countStaff},
	}
}

func countStaff(k *kit) {
	s := controlplane.Staff{
		ID: ID(controlplane.PrefixStaff, 1), Username: "root", Role: controlplane.RolePlatformAdmin,
		Password: controlplane.Password{Hash: controlplane.NewSecret("hash")}, CreatedAt: At(1),
	}
	count := func() int {
		return read(k, func(ctx context.Context, tx controlplane.Tx) (int, error) { return tx.CountStaff(ctx) })
	}
	same(k, count(), 0)
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertStaff(ctx, s) })
	s.ID = ID(controlplane.PrefixStaff, 2)
	k.wants(controlplane.ErrDuplicate, func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertStaff(ctx, s) })
	same(k, count(), 1)
}

func fullUser(merchantID string) controlplane.User {
	return controlplane.User{
		ID: ID(controlplane.PrefixUser, 77), MerchantID: merchantID, Username: "käthe", Email: "k@example.com",
		Role: controlplane.RoleOperator, Disabled: true, SecurityVersion: 3, CreatedAt: At(1), UpdatedAt: At(2),
		Password: controlplane.Password{Hash: controlplane.NewSecret("$argon2id$x"), MustChange: true, ChangedAt: At(3), ExpiresAt: At(4)},
	}
}

// newUser inserts user n, with few fields set.
func newUser(k *kit, merchantID string, n int) controlplane.User {
	k.Helper()
	u := controlplane.User{
		ID: ID(controlplane.PrefixUser, n), MerchantID: merchantID, Username: fmt.Sprintf("user%d", n),
		Role: controlplane.RoleOwner, CreatedAt: At(n), UpdatedAt: At(n),
	}
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertUser(ctx, u) })
	return u
}

func user(k *kit, merchantID, id string) controlplane.User {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.User, error) {
		return tx.User(ctx, merchantID, id)
	})
}

func userByName(k *kit, name string) controlplane.User {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.User, error) {
		return tx.UserByUsername(ctx, name)
	})
}

func users(k *kit, f controlplane.UserFilter) []controlplane.User {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.User, error) { return tx.Users(ctx, f) })
}
