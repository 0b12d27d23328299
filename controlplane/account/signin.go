package account

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Steps of the sign-in history.
const (
	stepPassword = "password"
	stepCode     = "totp"
	stepRecovery = "recovery_code"
	stepConfirm  = "sudo"
)

// Credentials are what the first form takes.
type Credentials struct {
	Username string
	Password controlplane.Secret
	// Device is the token of a browser that has signed in before, if it has one.
	Device controlplane.Secret
}

// attempt is a password about to be checked, counted already.
type attempt struct {
	// account is zero if nobody has the name.
	account Account
	// device is the hash of the browser's token, if it is one that we gave out.
	device  [32]byte
	counted counted
	full    *full
}

// SignIn checks a password and makes the first session. CodeDenied, one answer for
// all reasons; CodeLimit with RetryAfter when there were too many attempts;
// CodeUnavailable when there is no slot for the hash.
func (s *Service) SignIn(ctx context.Context, in Credentials, from Origin) (Ticket, error) {
	username := nameOf(in.Username)
	try, err := s.countSignIn(ctx, username, in.Device, from)
	if err != nil {
		return Ticket{}, err
	}
	right, rehashed, err := s.verify(ctx, try.account, in.Password)
	if err != nil {
		// Nothing was checked, so nothing is held against the name.
		return Ticket{}, errors.Join(err, s.takeBack(ctx, try.counted))
	}
	if reason := try.account.refusal(right, s.now()); reason != "" {
		return Ticket{}, s.refuseSignIn(ctx, try.account, from, reason)
	}
	t, err := inTx(ctx, s, func(tx controlplane.Tx) (Ticket, error) { return s.admitted(ctx, tx, try, rehashed, from) })
	if errors.Is(err, errChanged) {
		return Ticket{}, s.refuseSignIn(ctx, try.account, from, "changed_meanwhile")
	}
	return t, err
}

// nameOf is the one form of a name, for the look-up and the throttle alike. What no
// name can hold, and a database might choke on, is taken out.
func nameOf(text string) string { return controlplane.CleanText(controlplane.NormalizeUsername(text)) }

// errChanged: the account is no longer what was checked.
var errChanged = errors.New("the account was changed meanwhile")

// countSignIn counts the attempt before anything is checked, and commits that: a
// request that fails or is given up later has been counted all the same.
func (s *Service) countSignIn(ctx context.Context, username string, device controlplane.Secret, from Origin) (attempt, error) {
	hash, presented := tokenHash(device.Reveal())
	now := s.now()
	try, err := inTx(ctx, s, func(tx controlplane.Tx) (try attempt, err error) {
		try.account, err = byUsername(ctx, tx, s.kind, username)
		if err != nil && !errors.Is(err, controlplane.ErrNotFound) {
			return try, err
		}
		if presented {
			if try.device, err = s.deviceInUse(ctx, tx, hash); err != nil {
				return try, err
			}
		}
		buckets, err := s.passwordBuckets(ctx, tx, try.account, username, try.device, from)
		if err != nil {
			return try, err
		}
		try.counted, try.full, err = s.count(ctx, tx, try.account, from, stepPassword, buckets)
		return try, err
	})
	if err != nil {
		return attempt{}, err
	}
	if try.full != nil {
		return attempt{}, try.full.error(now)
	}
	return try, nil
}

// passwordBuckets are where a password for the name is counted.
func (s *Service) passwordBuckets(ctx context.Context, tx controlplane.Tx, a Account, username string, device [32]byte, from Origin) ([]bucket, error) {
	known, err := isKnown(ctx, tx, a, device)
	if err != nil {
		return nil, err
	}
	if known {
		return []bucket{passwordByDevice().of(a.ID, hex.EncodeToString(device[:]))}, nil
	}
	return []bucket{passwordByIP().of(network(from.IP)), passwordByName().of(string(s.kind), username)}, nil
}

// count counts, and tells of the attempt that found a bucket full.
func (s *Service) count(ctx context.Context, tx controlplane.Tx, a Account, from Origin, step string, buckets []bucket) (counted, *full, error) {
	done, over, err := count(ctx, tx, s.now(), buckets)
	if err != nil || over == nil || !over.first {
		return done, over, err
	}
	e := event{op: controlplane.OpLockout, step: step, outcome: controlplane.OutcomeDenied, reason: over.name}
	if err := s.record(ctx, tx, a, from, e); err != nil {
		return nil, nil, err
	}
	if a.ID != "" && over.name != passwordByIP().name {
		if err := s.tell(ctx, tx, controlplane.NoticeLockout, a, from); err != nil {
			return nil, nil, err
		}
	}
	return done, over, nil
}

// deviceInUse returns the hash of a device token that some account knows, or none:
// a token that we did not give out must not become one that we trust.
func (s *Service) deviceInUse(ctx context.Context, tx controlplane.Tx, hash [32]byte) ([32]byte, error) {
	known, err := tx.DeviceInUse(ctx, hash)
	if err != nil || !known {
		return [32]byte{}, err
	}
	return hash, nil
}

// isKnown reports whether the account has signed in from the device before.
func isKnown(ctx context.Context, tx controlplane.Tx, a Account, device [32]byte) (bool, error) {
	if a.ID == "" || device == ([32]byte{}) {
		return false, nil
	}
	_, err := tx.Device(ctx, a.ID, device)
	if errors.Is(err, controlplane.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (s *Service) takeBack(ctx context.Context, c counted) error {
	_, err := inTx(context.WithoutCancel(ctx), s, func(tx controlplane.Tx) (struct{}, error) {
		return struct{}{}, c.refund(ctx, tx)
	})
	return err
}

// verify checks a password and takes as long for a name that nobody has. rehashed
// is a new hash where the stored one is cheaper than those of today.
func (s *Service) verify(ctx context.Context, a Account, password controlplane.Secret) (right bool, rehashed controlplane.Secret, err error) {
	if a.ID == "" || !hashable(password) {
		return false, rehashed, s.hasher.DummyVerify(ctx, controlplane.NewSecret(""))
	}
	password = normalise(password)
	right, cheap, err := s.hasher.Verify(ctx, a.Password.Hash, password)
	if err != nil || !right || !cheap {
		return right, rehashed, asErrorOrNil(err)
	}
	rehashed, err = s.hasher.Hash(ctx, password)
	return right, rehashed, asErrorOrNil(err)
}

func asErrorOrNil(err error) error {
	if err == nil {
		return nil
	}
	return asError(err)
}

// refuseSignIn writes down why, and says only that it failed.
func (s *Service) refuseSignIn(ctx context.Context, a Account, from Origin, reason string) error {
	e := event{op: controlplane.OpSignIn, step: stepPassword, outcome: controlplane.OutcomeFailed, reason: reason}
	if err := s.recordAlone(ctx, a, from, e); err != nil {
		return err
	}
	return errWrong()
}

// admitted makes the session of a right password, if the account is still what was
// checked.
func (s *Service) admitted(ctx context.Context, tx controlplane.Tx, try attempt, rehashed controlplane.Secret, from Origin) (Ticket, error) {
	a, err := byID(ctx, tx, s.kind, try.account.MerchantID, try.account.ID)
	if err != nil {
		return Ticket{}, err
	}
	if a.SecurityVersion != try.account.SecurityVersion || a.refusal(true, s.now()) != "" {
		return Ticket{}, errChanged
	}
	if !rehashed.IsZero() {
		a.Password.Hash = rehashed
		if err := savePassword(ctx, tx, a, s.now()); err != nil {
			return Ticket{}, err
		}
	}
	if err := try.counted.refund(ctx, tx); err != nil {
		return Ticket{}, err
	}
	return s.proceed(ctx, tx, entry{account: a, from: from, device: try.device}, stepPassword)
}

// proceed makes the next session of a sign-in and writes the step down.
func (s *Service) proceed(ctx context.Context, tx controlplane.Tx, e entry, step string) (Ticket, error) {
	t, newDevice, err := s.enter(ctx, tx, e)
	if err != nil {
		return Ticket{}, err
	}
	err = s.record(ctx, tx, e.account, e.from, event{
		op: controlplane.OpSignIn, step: step, outcome: controlplane.OutcomeOK, reason: string(t.State), newDevice: newDevice,
	})
	if err == nil && newDevice {
		err = s.tell(ctx, tx, controlplane.NoticeNewDevice, e.account, e.from)
	}
	return t, err
}
