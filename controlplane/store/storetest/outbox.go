package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func outboxContract() []contract {
	mail := func(id string, due int) controlplane.Mail {
		return controlplane.Mail{ID: id, To: "owner@example.com", Subject: "s", Body: "b", CreatedAt: At(1), DueAt: At(due)}
	}
	add := func(k *kit, all ...controlplane.Mail) {
		k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
			for _, m := range all {
				err = errors.Join(err, tx.AddMail(ctx, m))
			}
			return err
		})
	}
	due := func(k *kit, at time.Time, limit int) []controlplane.Mail {
		return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Mail, error) {
			return tx.DueMail(ctx, at, limit)
		})
	}
	return []contract{
		{"mail is due when its time has come, oldest first", func(k *kit) {
			add(k, mail("c", 30), mail("a", 20), mail("b", 10))
			same(k, due(k, At(20), 10), []controlplane.Mail{mail("b", 10), mail("a", 20)})
			same(k, due(k, At(40), 1), []controlplane.Mail{mail("b", 10)})
		}},
		{"the same thing is told once, even after it was sent", func(k *kit) {
			add(k, mail("a", 1), mail("a", 2))
			same(k, len(due(k, At(9), 10)), 1)
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.CloseMail(ctx, "a", At(10)) })
			add(k, mail("a", 11))
			same(k, len(due(k, At(99), 10)), 0)
		}},
		{"a message is claimed by one of those who found it due", func(k *kit) {
			add(k, mail("a", 1))
			claimsOfMail(k, due(k, At(9), 10)[0])
		}},
		{"a failed attempt puts mail off, and closed mail is gone for good", func(k *kit) {
			add(k, mail("a", 1))
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.PostponeMail(ctx, "a", 3, At(50)) })
			same(k, len(due(k, At(49), 10)), 0)
			same(k, due(k, At(50), 10)[0].Attempts, 3)
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.CloseMail(ctx, "a", At(60)) })
			if err := k.try(func(ctx context.Context, tx controlplane.Tx) error { return tx.PostponeMail(ctx, "a", 4, At(70)) }); !errors.Is(err, controlplane.ErrNotFound) {
				k.Fatal(err)
			}
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				n, err := tx.DeleteClosedMail(ctx, At(61))
				if err == nil && n != 1 {
					return errors.New("closed mail was not deleted")
				}
				return err
			})
		}},
		{"keys that stop soon and are still used", func(k *kit) {
			k.merchants(1)
			retiring := func(i, stops, used int) controlplane.APIKey {
				key := Key(Merchant(1).ID, controlplane.Test, i)
				key.State, key.RetireAt, key.LastUsedAt = controlplane.KeyRetiring, At(stops), At(used)
				return key
			}
			k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
				for _, key := range []controlplane.APIKey{retiring(1, 50, 40), retiring(2, 50, 10), retiring(3, 90, 40), retiring(4, 30, 29)} {
					err = errors.Join(err, tx.InsertKey(ctx, key, []byte("sealed")))
				}
				return err
			})
			got := read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.APIKey, error) {
				return tx.KeysStopping(ctx, At(30), At(60), At(20))
			})
			same(k, got, []controlplane.APIKey{retiring(1, 50, 40)})
		}},
	}
}

// claimsOfMail claims a message as two who found it due at the same time do.
func claimsOfMail(k *kit, found controlplane.Mail) {
	claim := func(m controlplane.Mail, want bool) {
		k.Helper()
		k.must(func(ctx context.Context, tx controlplane.Tx) error {
			got, err := tx.ClaimMail(ctx, m, At(30))
			if err == nil && got != want {
				err = errors.New("claimed otherwise than expected")
			}
			return err
		})
	}
	claim(found, true)
	claim(found, false)
	early := read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Mail, error) {
		return tx.DueMail(ctx, At(29), 10)
	})
	same(k, len(early), 0)
	found.DueAt = At(30)
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.CloseMail(ctx, found.ID, At(31)) })
	claim(found, false)
}
