package account

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// Each test here is named after an advisory of another project, whose fault it
// proves to be absent.

// parallel runs try n times at once and returns how often each code came back; ""
// counts successes.
func parallel(n int, try func(i int) error) map[controlplane.Code]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	got := map[controlplane.Code]int{}
	for i := range n {
		all.Go(func() {
			err := try(i)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				got[""]++
			} else {
				got[controlplane.CodeOf(err)]++
			}
		})
	}
	all.Wait()
	return got
}

// failing is a store that refuses every transaction after the first n.
type failing struct {
	controlplane.Store
	left atomic.Int64
}

func (f *failing) Update(ctx context.Context, fn func(controlplane.Tx) error) error {
	if f.left.Add(-1) < 0 {
		return errors.New("the request fails here")
	}
	return f.Store.Update(ctx, fn)
}

// Vikunja CVE-2026-35597: the lockout was rolled back with the request that failed.
func TestVikunjaCVE202635597LockoutIsNotRolledBack(t *testing.T) {
	asvs.Covers(t, "6.3.1")
	w := newWorld(t)
	p := w.settled("ann")
	thief := stranger(w, "ann")
	for range passwordByName().most {
		f := &failing{Store: w.db}
		f.left.Store(1) // only the counting gets through
		w.rebuild(func(parts *Parts) { parts.Store = f })
		_, err := thief.signIn(second)
		wants(t, err, controlplane.CodeInternal)
	}
	w.rebuild(func(parts *Parts) { parts.Store = w.db })
	_, err := thief.signIn(first)
	wants(t, err, controlplane.CodeLimit)
	p.step(controlplane.SessionActive)(p.signIn(first)) // the owner's own browser is not locked out
}

// A request that is given up while the password is checked has been counted.
func TestAttemptGivenUpIsCounted(t *testing.T) {
	w := newWorld(t)
	w.settled("ann")
	thief := stranger(w, "ann")
	for range passwordByName().most {
		ctx, cancel := context.WithCancel(t.Context())
		h := *w.parts.Hasher
		quick := h.derive
		h.derive = func(password, salt []byte, c cost) []byte {
			cancel()
			return quick(password, salt, c)
		}
		w.rebuild(func(parts *Parts) { parts.Hasher = &h })
		_, err := w.SignIn(ctx, Credentials{Username: "ann", Password: secret(second)}, thief.from)
		wants(t, err, controlplane.CodeDenied)
		h.derive = quick
	}
	_, err := thief.signIn(first)
	wants(t, err, controlplane.CodeLimit)
}

// caddy-security CVE-2024-21500: restarting the sign-in reset the counter of codes.
func TestCaddySecurityCVE202421500RestartDoesNotResetTheCounter(t *testing.T) {
	asvs.Covers(t, "6.3.1", "6.6.3")
	w := newWorld(t)
	w.enrolled("ann")
	thief := stranger(w, "ann")
	denied := 0
	for range 20 {
		if _, err := thief.signIn(first); err != nil {
			t.Fatalf("the password is right and its counter separate: %v", err)
		}
		for range maxTries {
			_, err := w.Code(t.Context(), thief.token, secret("000000"), thief.from)
			switch controlplane.CodeOf(err) {
			case controlplane.CodeDenied:
				denied++
			case controlplane.CodeLimit:
			default:
				t.Fatalf("unexpected error: %v", err)
			}
		}
	}
	if denied != codeByAccount().most {
		t.Errorf("%d codes were checked; want %d", denied, codeByAccount().most)
	}
}

// crudauth issue 43: a right password reset the counter of the second factor.
func TestCrudauth43RightPasswordDoesNotResetTheSecondFactorsCounter(t *testing.T) {
	w := newWorld(t)
	owner := w.enrolled("ann")
	thief := stranger(w, "ann")
	for range codeByAccount().most {
		_, err := thief.signIn(first)
		w.must(err)
		_, err = w.Code(t.Context(), thief.token, secret("000000"), thief.from)
		wants(t, err, controlplane.CodeDenied)
	}
	_, err := thief.signIn(first)
	w.must(err)
	thief.seed = owner.seed
	_, err = w.Code(t.Context(), thief.token, owner.code(), thief.from)
	wants(t, err, controlplane.CodeLimit)
	_, err = w.RecoveryCode(t.Context(), thief.token, owner.codes[0], thief.from)
	wants(t, err, controlplane.CodeLimit)

	owner.step(controlplane.SessionPending2FA)(owner.signIn(first))
	owner.step(controlplane.SessionActive)(owner.showCode()) // from a known device
}

// payload-totp issue 74: the count was read before the check, so that parallel
// requests all passed it.
func TestPayloadTOTP74TwoHundredAtOnceGetNoMoreTries(t *testing.T) {
	asvs.Covers(t, "6.3.1", "6.6.3")
	w := newWorld(t)
	w.enrolled("ann")
	w.settled("bob")
	before := w.hashes.Load()
	got := parallel(200, func(int) error {
		_, err := w.SignIn(t.Context(), Credentials{Username: "bob", Password: secret(second)}, from("203.0.113.66"))
		return err
	})
	if n := int(w.hashes.Load() - before); n != passwordByName().most || got[controlplane.CodeDenied] != n || got[controlplane.CodeLimit] != 200-n {
		t.Errorf("%d passwords were checked, %v", n, got)
	}
	thief := stranger(w, "ann")
	thief.from = from("203.0.113.67")
	_, err := thief.signIn(first)
	w.must(err)
	got = parallel(200, func(int) error {
		_, err := w.Code(t.Context(), thief.token, secret("000000"), thief.from)
		return err
	})
	// The sixth ends the session, perhaps before the first five are checked.
	if n := got[controlplane.CodeDenied]; n > maxTries || got[controlplane.CodeUnauthenticated] != 200-n {
		t.Errorf("codes in one session: %v", got)
	}
	thief.in("")
}

// Gogs CVE-2025-64175: a recovery code worked for another user.
func TestGogsCVE202564175RecoveryCodeOfAnotherUser(t *testing.T) {
	asvs.Covers(t, "6.6.2")
	w := newWorld(t)
	ann, bob := w.enrolled("ann"), w.enrolled("bob")
	ann.step(controlplane.SessionPending2FA)(ann.signIn(first))
	_, err := w.RecoveryCode(t.Context(), ann.token, bob.codes[0], ann.from)
	wants(t, err, controlplane.CodeDenied)
	bob.step(controlplane.SessionPending2FA)(bob.signIn(first))
	bob.step(controlplane.SessionActive)(bob.keep(w.RecoveryCode(t.Context(), bob.token, bob.codes[0], bob.from)))
}

// A code of another user's app is as wrong.
func TestCodeOfAnotherUser(t *testing.T) {
	asvs.Covers(t, "6.6.2")
	w := newWorld(t)
	ann, bob := w.enrolled("ann"), w.enrolled("bob")
	ann.step(controlplane.SessionPending2FA)(ann.signIn(first))
	_, err := w.Code(t.Context(), ann.token, bob.code(), ann.from)
	wants(t, err, controlplane.CodeDenied)
}

// Keycloak issue 26106: one code, shown by two at the same moment, let both in.
func TestKeycloak26106DoubleUseByRace(t *testing.T) {
	asvs.Covers(t, "6.5.1")
	w := newWorld(t)
	owner := w.enrolled("ann")
	for name, show := range map[string]func(token controlplane.Secret) error{
		"code": func(token controlplane.Secret) error {
			_, err := w.Code(t.Context(), token, owner.code(), owner.from)
			return err
		},
		"recovery code": func(token controlplane.Secret) error {
			_, err := w.RecoveryCode(t.Context(), token, owner.codes[0], owner.from)
			return err
		},
	} {
		w.clock.pass(totpPeriod)
		var tokens []controlplane.Secret
		for range maxSessions {
			_, err := owner.signIn(first)
			w.must(err)
			tokens = append(tokens, owner.token)
		}
		got := parallel(len(tokens), func(i int) error { return show(tokens[i]) })
		if got[""] != 1 || got[controlplane.CodeDenied] != len(tokens)-1 {
			t.Errorf("%s: %v", name, got)
		}
	}
	// And the same code twice in one session.
	w.clock.pass(totpPeriod)
	_, err := owner.signIn(first)
	w.must(err)
	token := owner.token
	if got := parallel(4, func(int) error {
		_, err := w.Code(t.Context(), token, owner.code(), owner.from)
		return err
	}); got[""] != 1 {
		t.Errorf("one session: %v", got)
	}
}

// Keycloak issue 13867: "used already" told an attacker that the code was right.
func TestKeycloak13867UsedIsNotToldFromWrong(t *testing.T) {
	asvs.Covers(t, "6.5.1")
	w := newWorld(t)
	p := w.enrolled("ann")
	p.step(controlplane.SessionPending2FA)(p.signIn(first))
	code := p.code()
	p.step(controlplane.SessionActive)(p.keep(w.Code(t.Context(), p.token, code, p.from)))
	p.step(controlplane.SessionPending2FA)(p.signIn(first))
	recovery := p.codes[0]
	p.step(controlplane.SessionActive)(p.keep(w.RecoveryCode(t.Context(), p.token, recovery, p.from)))
	p.step(controlplane.SessionPending2FA)(p.signIn(first))

	_, used := w.Code(t.Context(), p.token, code, p.from)
	usedAudit := w.lastAudit()
	_, wrong := w.Code(t.Context(), p.token, secret("000000"), p.from)
	wrongAudit := w.lastAudit()
	_, usedRecovery := w.RecoveryCode(t.Context(), p.token, recovery, p.from)
	_, wrongRecovery := w.RecoveryCode(t.Context(), p.token, secret("garbage"), p.from)
	for _, err := range []error{used, wrong, usedRecovery, wrongRecovery} {
		if wants(t, err, controlplane.CodeDenied); err.Error() != wrong.Error() {
			t.Errorf("%q differs from %q", err, wrong)
		}
	}
	if usedAudit.Reason != wrongAudit.Reason {
		t.Errorf("the trail tells %q from %q", usedAudit.Reason, wrongAudit.Reason)
	}
}

// better-auth issue 10923: beginning to enrol replaced the live seed.
func TestBetterAuth10923EnrolmentLeavesTheLiveSeedAlone(t *testing.T) {
	w := newWorld(t)
	p := w.enrolled("ann")
	w.must(p.confirm(first, p.code().Reveal()))
	w.clock.pass(totpPeriod)
	e, err := w.BeginEnrolment(t.Context(), p.token, p.from)
	w.must(err)
	other := &person{w: w, username: "ann", device: p.device, from: p.from, seed: p.seed}
	other.step(controlplane.SessionPending2FA)(other.signIn(first))
	_, err = w.Code(t.Context(), other.token, (&person{w: w, seed: e.Seed}).code(), p.from)
	wants(t, err, controlplane.CodeDenied) // the pending one opens nothing
	other.step(controlplane.SessionActive)(other.showCode())

	old := p.seed
	w.clock.pass(totpPeriod)
	p.seed = e.Seed
	t2, codes, err := w.FinishEnrolment(t.Context(), p.token, p.code(), p.from)
	w.must(err)
	p.step(controlplane.SessionActive)(p.keep(t2, nil))
	other.in("") // other sessions end
	w.clock.pass(totpPeriod)
	p.step(controlplane.SessionPending2FA)(p.signIn(first))
	_, err = w.Code(t.Context(), p.token, (&person{w: w, seed: old}).code(), p.from)
	wants(t, err, controlplane.CodeDenied)
	_, err = w.RecoveryCode(t.Context(), p.token, p.codes[0], p.from)
	wants(t, err, controlplane.CodeDenied) // those of the old one are gone
	p.step(controlplane.SessionActive)(p.keep(w.RecoveryCode(t.Context(), p.token, codes[0], p.from)))
}

// artifact-keeper issue 1818: the forced change could be stepped around.
func TestArtifactKeeper1818ForcedChangeIsNotAdvisory(t *testing.T) {
	asvs.Covers(t, "6.4.1")
	w := newWorld(t)
	p := &person{w: w, username: "ann", from: from("198.51.100.7")}
	var initial controlplane.Secret
	p.id, p.merchantID, initial = w.fresh("ann")
	p.step(controlplane.SessionPendingPassword)(p.signIn(initial.Reveal()))
	for name, try := range p.everything() {
		if name == "change password" || name == "sign out" {
			continue
		}
		if err := try(); controlplane.CodeOf(err) != controlplane.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := w.domain.ListKeys(t.Context(), p.standing().Actor(p.from), controlplane.KeyFilter{MerchantID: p.merchantID})
	wants(t, err, controlplane.CodeDenied)
	// The same password again is no change.
	_, err = w.ChangePassword(t.Context(), p.token, initial, initial, p.from)
	wants(t, err, controlplane.CodeInvalid)
	p.in(controlplane.SessionPendingPassword)
}

// Authelia CVE-2026-47203: each spelling of a name had a bucket of its own.
func TestAutheliaCVE202647203OneBucketForEverySpelling(t *testing.T) {
	asvs.Covers(t, "6.3.1")
	w := newWorld(t)
	w.settled("kate")
	spellings := []string{"kate", "KATE", "Kate", " kate", "kate\t", "\u212aate", "\u212aATE ", "kAtE", "katE\n", "\u00a0kate"}
	for i := range passwordByName().most {
		p := stranger(w, spellings[i%len(spellings)])
		_, err := p.signIn(second)
		wants(t, err, controlplane.CodeDenied)
	}
	for _, spelling := range spellings {
		_, err := stranger(w, spelling).signIn(first)
		wants(t, err, controlplane.CodeLimit)
	}
}

// gogs issue 6415: sessions survived a change of the password.
func TestGogs6415SessionsEndWithThePassword(t *testing.T) {
	asvs.Covers(t, "7.4.3")
	w := newWorld(t)
	p := w.settled("ann")
	var others []*person
	for range 3 {
		o := &person{w: w, username: "ann", from: from("203.0.113.5")}
		o.step(controlplane.SessionActive)(o.signIn(first))
		others = append(others, o)
	}
	before := p.token
	p.step(controlplane.SessionActive)(p.keep(w.ChangePassword(t.Context(), p.token, secret(first), secret(second), p.from)))
	for _, o := range others {
		o.in("")
	}
	if st, err := w.Session(t.Context(), before); err != nil || st.Session.ID != "" {
		t.Errorf("the session from before the change holds: %v", err)
	}
	_, err := others[0].signIn(first)
	wants(t, err, controlplane.CodeDenied)
}

// argon2id issue 35, at the level of a sign-in: who gets no slot is told to come
// back, and it is not held against the name.
func TestArgon2id35SurplusGetsUnavailableAndIsNotCounted(t *testing.T) {
	w := newWorld(t)
	w.settled("ann")
	h := NewHasher(HasherConfig{Slots: 1, Wait: time.Millisecond})
	h.slots <- struct{}{}
	w.rebuild(func(p *Parts) { p.Hasher = h })
	for range passwordByName().most + 1 {
		_, err := stranger(w, "ann").signIn(first)
		if e := wants(t, err, controlplane.CodeUnavailable); e.RetryAfter <= 0 {
			t.Fatalf("no time to come back: %+v", e)
		}
	}
	<-h.slots
	h.derive = newWorld(t).parts.Hasher.derive
	if _, err := stranger(w, "ann").signIn(first); err != nil {
		t.Errorf("the busy server locked the name: %v", err)
	}
}
