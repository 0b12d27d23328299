package storetest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// accountContract is what sign-in needs of a store.
func accountContract() []contract {
	return slices.Concat(staffContract(), sessionContract(), sessionUseContract(), seedContract(), sealedSeedContract(),
		recoveryContract(), throttleContract(), deviceContract(), signInContract())
}

func fullSession(account string, n int) controlplane.Session {
	return controlplane.Session{
		ID: fmt.Sprintf("ses_%026d", n), Kind: controlplane.ActorUser, AccountID: account, MerchantID: "mer_1", State: controlplane.SessionActive,
		SecretHash: [32]byte{1, byte(n)}, Tries: 3, SecurityVersion: 7, SecondFactor: true, CreatedAt: At(n), ExpiresAt: At(n + 100), LastSeenAt: At(n + 1),
		SudoUntil: At(n + 2), IP: netip.MustParseAddr("2001:db8::7"), UserAgent: "Firefox", DeviceHash: [32]byte{2, byte(n)},
	}
}

func (k *kit) session(s controlplane.Session) controlplane.Session {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertSession(ctx, s) })
	return s
}

func sessions(k *kit, account string) []controlplane.Session {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Session, error) {
		return tx.Sessions(ctx, account)
	})
}

func staffContract() []contract {
	return []contract{
		{"staff come back by id and by name, and change", func(k *kit) {
			s := fullStaff()
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertStaff(ctx, s) })
			byID := func(ctx context.Context, tx controlplane.Tx) (controlplane.Staff, error) {
				return tx.StaffMember(ctx, s.ID)
			}
			same(k, read(k, byID), s)
			same(k, read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Staff, error) {
				return tx.StaffByUsername(ctx, s.Username)
			}), s)
			s.Role, s.Disabled, s.SecurityVersion, s.UpdatedAt = controlplane.RoleAuditor, true, 9, At(50)
			s.Password = controlplane.Password{Hash: controlplane.NewSecret("$other$"), ChangedAt: At(51)}
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateStaff(ctx, s) })
			same(k, read(k, byID), s)
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Staff, error) {
				return tx.StaffMember(ctx, "stf_x")
			})
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Staff, error) {
				return tx.StaffByUsername(ctx, "x")
			})
		}},
	}
}

func sessionContract() []contract {
	return []contract{
		{"every field of a session comes back", func(k *kit) {
			s := k.session(fullSession("usr_1", 1))
			same(k, read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Session, error) {
				return tx.Session(ctx, s.ID)
			}), s)
			bare := k.session(controlplane.Session{ID: "ses_bare", Kind: controlplane.ActorStaff, AccountID: "stf_1", State: controlplane.SessionPending2FA})
			same(k, sessions(k, "stf_1"), []controlplane.Session{bare})
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Session, error) {
				return tx.Session(ctx, "ses_x")
			})
		}},
		{"sessions of an account are listed and deleted apart from others'", func(k *kit) {
			a, b, other := k.session(fullSession("usr_1", 1)), k.session(fullSession("usr_1", 2)), k.session(fullSession("usr_2", 3))
			same(k, sessions(k, "usr_1"), []controlplane.Session{a, b})
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.DeleteSession(ctx, "usr_1", other.ID) })
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.DeleteSession(ctx, "usr_1", a.ID) })
			same(k, sessions(k, "usr_1"), []controlplane.Session{b})
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				n, err := tx.DeleteSessions(ctx, "usr_1")
				return expect(err, n == 1, "%d sessions deleted", n)
			})
			same(k, sessions(k, "usr_1"), nil)
			same(k, sessions(k, "usr_2"), []controlplane.Session{other})
		}},
	}
}

func sessionUseContract() []contract {
	return []contract{
		{"tries are counted one by one", func(k *kit) {
			s := k.session(fullSession("usr_1", 1))
			seen := k.atOnce(20, func(ctx context.Context, tx controlplane.Tx) (int, error) { return tx.CountTry(ctx, s.ID) })
			for n := 4; n <= 23; n++ {
				if seen[n] != 1 {
					k.Errorf("the number %d was given %d times", n, seen[n])
				}
			}
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error {
				_, err := tx.CountTry(ctx, "ses_x")
				return err
			})
		}},
		{"the last use of a session is raised, never lowered", func(k *kit) {
			s := k.session(fullSession("usr_1", 1))
			for _, at := range []int{50, 20} {
				k.must(func(ctx context.Context, tx controlplane.Tx) error {
					return tx.SaveSessionsSeen(ctx, []controlplane.SessionSeen{{ID: "ses_x", At: At(90)}, {ID: s.ID, At: At(at)}})
				})
			}
			s.LastSeenAt = At(50)
			same(k, sessions(k, "usr_1"), []controlplane.Session{s})
		}},
		{"ended and idle sessions are deleted", func(k *kit) {
			for n := range 4 {
				s := fullSession("usr_1", n+1)
				s.ExpiresAt, s.LastSeenAt = At(100+n), At(50+n)
				k.session(s)
			}
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				n, err := tx.DeleteEndedSessions(ctx, At(100), At(51))
				return expect(err, n == 2, "%d sessions deleted", n)
			})
			if left := sessions(k, "usr_1"); len(left) != 2 || !left[0].ExpiresAt.Equal(At(102)) {
				k.Errorf("left are %+v", left)
			}
		}},
	}
}

func fullStaff() controlplane.Staff {
	return controlplane.Staff{
		ID: "stf_1", Username: "sam", Email: "sam@example.com", Role: controlplane.RolePlatformAdmin,
		Password:        controlplane.Password{Hash: controlplane.NewSecret("$hash$"), MustChange: true, ChangedAt: At(1), ExpiresAt: At(2)},
		SecurityVersion: 3, CreatedAt: At(4), UpdatedAt: At(5),
	}
}

// expect makes a failed expectation inside a transaction its error.
func expect(err error, ok bool, format string, args ...any) error {
	if err == nil && !ok {
		err = fmt.Errorf(format, args...)
	}
	return err
}

// atOnce runs fn in n transactions at the same time and counts what they return.
func (k *kit) atOnce(n int, fn func(ctx context.Context, tx controlplane.Tx) (int, error)) map[int]int {
	k.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	seen := map[int]int{}
	for range n {
		all.Go(func() {
			var v int
			err := k.try(func(ctx context.Context, tx controlplane.Tx) (err error) {
				v, err = fn(ctx, tx)
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if seen[v]++; err != nil {
				k.Error(err)
			}
		})
	}
	all.Wait()
	return seen
}

func fullSeed(account string, n int) controlplane.TOTPSeed {
	return controlplane.TOTPSeed{ID: fmt.Sprintf("otp_%d", n), AccountID: account, MerchantID: "mer_1", Sealed: []byte{1, byte(n)}, CreatedAt: At(n)}
}

func seed(k *kit, account string, confirmed bool) controlplane.TOTPSeed {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.TOTPSeed, error) {
		return tx.Seed(ctx, account, confirmed)
	})
}

func (k *kit) confirmedSeed(account string, n int, step int64) controlplane.TOTPSeed {
	k.Helper()
	s := fullSeed(account, n)
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		if err := tx.PutPendingSeed(ctx, s); err != nil {
			return err
		}
		return tx.ConfirmSeed(ctx, account, s.ID, step)
	})
	s.Confirmed, s.LastStep = true, step
	return s
}

func seedContract() []contract {
	return []contract{
		{"a pending seed leaves the confirmed one alone until it takes its place", func(k *kit) {
			live := k.confirmedSeed("usr_1", 1, 10)
			for n := 2; n <= 3; n++ {
				k.must(func(ctx context.Context, tx controlplane.Tx) error {
					return tx.PutPendingSeed(ctx, fullSeed("usr_1", n))
				})
				same(k, seed(k, "usr_1", true), live)
				same(k, seed(k, "usr_1", false), fullSeed("usr_1", n))
			}
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.ConfirmSeed(ctx, "usr_1", "otp_2", 20) })
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.ConfirmSeed(ctx, "usr_2", "otp_3", 20) })
			same(k, seed(k, "usr_1", true), live)
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.ConfirmSeed(ctx, "usr_1", "otp_3", 20) })
			if now := seed(k, "usr_1", true); now.ID != "otp_3" || now.LastStep != 20 || !now.Confirmed {
				k.Errorf("confirmed is %+v", now)
			}
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.DeleteSeeds(ctx, "usr_1") })
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.TOTPSeed, error) {
				return tx.Seed(ctx, "usr_1", true)
			})
		}},
		{"a step is spent once, and every one before it", func(k *kit) {
			k.confirmedSeed("usr_1", 1, 10)
			spend := func(account, id string, step int64) bool {
				return read2(k, func(ctx context.Context, tx controlplane.Tx) (bool, error) {
					return tx.SpendStep(ctx, account, id, step)
				})
			}
			for _, c := range []struct {
				account, id string
				step        int64
				want        bool
			}{{"usr_1", "otp_1", 10, false}, {"usr_1", "otp_1", 9, false}, {"usr_2", "otp_1", 11, false}, {"usr_1", "otp_x", 11, false}, {"usr_1", "otp_1", 11, true}, {"usr_1", "otp_1", 11, false}} {
				if got := spend(c.account, c.id, c.step); got != c.want {
					k.Errorf("spending %+v: %v", c, got)
				}
			}
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				return tx.PutPendingSeed(ctx, fullSeed("usr_1", 2))
			})
			if spend("usr_1", "otp_2", 99) {
				k.Error("a pending seed spends steps")
			}
		}},
	}
}

func sealedSeedContract() []contract {
	return []contract{
		{"sealed seeds are found and replaced for re-encryption", func(k *kit) {
			k.confirmedSeed("usr_1", 1, 10)
			rows := read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.SealedRow, error) {
				return tx.SealedRows(ctx, controlplane.PurposeTOTPSeed, "", 10)
			})
			want := []controlplane.SealedRow{{Location: controlplane.TOTPSeedLocation("otp_1", "mer_1"), Record: []byte{1, 1}}}
			same(k, rows, want)
			rows[0].Record = []byte{9}
			for _, c := range []struct {
				old  []byte
				want bool
			}{{[]byte{7}, false}, {[]byte{1, 1}, true}} {
				if got := read2(k, func(ctx context.Context, tx controlplane.Tx) (bool, error) {
					return tx.ReplaceSealed(ctx, controlplane.PurposeTOTPSeed, rows[0], c.old)
				}); got != c.want {
					k.Errorf("replacing %v: %v", c.old, got)
				}
			}
			if now := seed(k, "usr_1", true); string(now.Sealed) != "\x09" {
				k.Errorf("the seed is %v", now.Sealed)
			}
		}},
	}
}

func recoveryContract() []contract {
	return []contract{
		{"a recovery code is its account's and works once", func(k *kit) {
			codes := func(account string, first byte) {
				k.must(func(ctx context.Context, tx controlplane.Tx) error {
					return tx.ReplaceRecoveryCodes(ctx, account, [][32]byte{{first}, {first + 1}})
				})
			}
			codes("usr_1", 1)
			codes("usr_2", 3)
			spend := func(account string, code byte) bool {
				return read2(k, func(ctx context.Context, tx controlplane.Tx) (bool, error) {
					return tx.SpendRecoveryCode(ctx, account, [32]byte{code})
				})
			}
			if spend("usr_1", 3) || !spend("usr_1", 1) || spend("usr_1", 1) {
				k.Error("a code works for another account, not at all, or twice")
			}
			left := func(ctx context.Context, tx controlplane.Tx) (int, error) { return tx.RecoveryCodesLeft(ctx, "usr_1") }
			same(k, read(k, left), 1)
			codes("usr_1", 5)
			if same(k, read(k, left), 2); spend("usr_1", 2) {
				k.Error("a code of before works")
			}
		}},
		{"the newest former passwords are kept", func(k *kit) {
			for n := range 5 {
				for _, account := range []string{"usr_1", "usr_2"} {
					k.must(func(ctx context.Context, tx controlplane.Tx) error {
						return tx.AddPastPassword(ctx, account, controlplane.NewSecret(fmt.Sprint(account, n)), At(n), 3)
					})
				}
			}
			past := read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Secret, error) {
				return tx.PastPasswords(ctx, "usr_1")
			})
			got := ""
			for _, p := range past {
				got += p.Reveal() + " "
			}
			same(k, got, "usr_14 usr_13 usr_12 ")
		}},
	}
}

// read2 is read for what also writes.
func read2[T any](k *kit, fn func(ctx context.Context, tx controlplane.Tx) (T, error)) (out T) {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
		out, err = fn(ctx, tx)
		return err
	})
	return out
}

func throttleContract() []contract {
	return []contract{
		{"attempts at once each get a number of their own", func(k *kit) {
			seen := k.atOnce(50, func(ctx context.Context, tx controlplane.Tx) (int, error) {
				a, err := tx.CountAttempt(ctx, "a", At(0), time.Minute)
				return a.Count, err
			})
			for n := 1; n <= 50; n++ {
				if seen[n] != 1 {
					k.Errorf("the number %d was given %d times", n, seen[n])
				}
			}
		}},
		{"a window ends and the next begins", func(k *kit) {
			count := func(bucket string, at int) controlplane.Attempts {
				return read2(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Attempts, error) {
					return tx.CountAttempt(ctx, bucket, At(at), time.Minute)
				})
			}
			same(k, count("a", 0), controlplane.Attempts{Count: 1, EndsAt: At(60)})
			same(k, count("a", 59), controlplane.Attempts{Count: 2, EndsAt: At(60)})
			same(k, count("b", 59), controlplane.Attempts{Count: 1, EndsAt: At(119)})
			same(k, count("a", 60), controlplane.Attempts{Count: 1, EndsAt: At(120)})
			same(k, count("a", 61), controlplane.Attempts{Count: 2, EndsAt: At(120)})
			refund := func(endsAt int) {
				k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.RefundAttempt(ctx, "a", At(endsAt)) })
			}
			refund(60) // of the window before
			same(k, count("a", 62), controlplane.Attempts{Count: 3, EndsAt: At(120)})
			for range 9 { // never below nothing
				refund(120)
			}
			same(k, count("a", 63), controlplane.Attempts{Count: 1, EndsAt: At(120)})
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				n, err := tx.DeleteEndedThrottles(ctx, At(119))
				return expect(err, n == 1, "%d buckets deleted", n)
			})
			same(k, count("a", 64).Count, 2)
		}},
	}
}

func deviceContract() []contract {
	return []contract{
		{"a device is known to its account", func(k *kit) {
			d := controlplane.Device{AccountID: "usr_1", TokenHash: [32]byte{1}, CreatedAt: At(1), LastSeenAt: At(1), IP: netip.MustParseAddr("192.0.2.1"), UserAgent: "Firefox"}
			put := func(d controlplane.Device) {
				k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.PutDevice(ctx, d) })
			}
			get := func(ctx context.Context, tx controlplane.Tx) (controlplane.Device, error) {
				return tx.Device(ctx, "usr_1", d.TokenHash)
			}
			inUse := func(ctx context.Context, tx controlplane.Tx) (bool, error) { return tx.DeviceInUse(ctx, d.TokenHash) }
			same(k, read(k, inUse), false)
			put(d)
			again := d
			again.CreatedAt, again.LastSeenAt, again.UserAgent = At(9), At(9), "Chrome"
			put(again)
			again.CreatedAt = d.CreatedAt
			same(k, read(k, get), again)
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Device, error) {
				return tx.Device(ctx, "usr_2", d.TokenHash)
			})
			same(k, read(k, inUse), true)
			old := d
			old.TokenHash = [32]byte{2}
			put(old)
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				n, err := tx.DeleteOldDevices(ctx, At(9))
				return expect(err, n == 1, "%d devices deleted", n)
			})
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.DeleteDevices(ctx, "usr_1") })
			missing(k, get)
		}},
	}
}

func signInContract() []contract {
	return []contract{
		{"sign-ins are listed newest first, and the old deleted", func(k *kit) {
			var all []controlplane.SignIn
			for n := range 4 {
				s := controlplane.SignIn{
					AccountID: "usr_1", At: At(n), Outcome: controlplane.OutcomeFailed, Step: "password", NewDevice: n == 2,
					IP: netip.MustParseAddr("192.0.2.1"), UserAgent: "Firefox",
				}
				all = append([]controlplane.SignIn{s}, all...)
				other := s
				other.AccountID = "usr_2"
				k.must(func(ctx context.Context, tx controlplane.Tx) error {
					if err := tx.InsertSignIn(ctx, other); err != nil {
						return err
					}
					return tx.InsertSignIn(ctx, s)
				})
			}
			newest := func(n int) []controlplane.SignIn {
				return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.SignIn, error) {
					return tx.SignIns(ctx, "usr_1", n)
				})
			}
			same(k, newest(10), all)
			same(k, newest(2), all[:2])
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				n, err := tx.DeleteOldSignIns(ctx, At(2))
				return expect(err, n == 4, "%d rows deleted", n)
			})
			same(k, newest(10), all[:2])
		}},
	}
}
