package account

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

func (p *person) changePassword(present, next string) error {
	_, err := p.keep(p.w.ChangePassword(p.w.Context(), p.token, secret(present), secret(next), p.from))
	if err == nil {
		p.password = next
	}
	return err
}

func wantsRule(tb testing.TB, err error, rule string) {
	tb.Helper()
	if e := wants(tb, err, controlplane.CodeInvalid); e.Fields[0].Rule != "password_"+rule {
		tb.Fatalf("refused as %s; want %s", e.Fields[0].Rule, rule)
	}
}

func TestLastFourPasswordsAreRefused(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann") // first
	w.must(p.changePassword(first, second))
	w.must(p.changePassword(second, third))
	w.must(p.changePassword(third, fourth))
	for _, used := range []string{first, second, third, fourth} {
		wantsRule(t, p.changePassword(fourth, used), "reused")
	}
	w.must(p.changePassword(fourth, fifth))
	w.must(p.changePassword(fifth, first)) // the fifth last
	p.in(controlplane.SessionActive)
}

func TestFormerPasswordIsKnownInEveryUnicodeForm(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	w.must(p.changePassword(first, "caf\u00e9 otter quilt mango"))
	w.must(p.changePassword("caf\u00e9 otter quilt mango", second))
	wantsRule(t, p.changePassword(second, "cafe\u0301 otter quilt mango"), "reused")
}

func TestNewPasswordObeysTheRulesOfItsAccount(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann.smith")
	wantsRule(t, p.changePassword(first, "kT9#vQ2m!xR7"), "short")
	wantsRule(t, p.changePassword(first, "BlueLotus.ann.smith"), "personal")
	w.must(p.confirm(first, ""))
	p.enrol()
	w.must(p.changePassword(first, "kT9#vQ2m!xR7")) // 12 characters will do now
}

func TestPresentPasswordIsAskedForAndThrottled(t *testing.T) {
	asvs.Covers(t, "6.2.3")
	w := newWorld(t)
	p := w.settled("ann")
	before := w.hashes.Load()
	wantsRule(t, p.changePassword(second, "short"), "short")
	if w.hashes.Load() != before {
		t.Error("a password that breaks the rules cost a hash")
	}
	for range passwordByDevice().most {
		wants(t, p.changePassword(second, third), controlplane.CodeDenied)
	}
	wants(t, p.changePassword(first, third), controlplane.CodeLimit)
	if e := w.lastAudit(); e.Operation != controlplane.OpLockout {
		t.Errorf("unexpected audit row: %+v", e)
	}
}

func TestPasswordChangeForgetsOtherDevices(t *testing.T) {
	asvs.Covers(t, "6.3.5")
	w := newWorld(t)
	p := w.settled("ann")
	other := stranger(w, "ann")
	other.step(controlplane.SessionActive)(other.signIn(first))
	w.must(p.changePassword(first, second))
	w.told()
	other.step(controlplane.SessionActive)(other.signIn(second))
	if got := w.told(); !slices.Equal(got, []controlplane.AccountNoticeKind{controlplane.NoticeNewDevice}) {
		t.Errorf("told %v", got)
	}
	p.step(controlplane.SessionActive)(p.signIn(second))
	if got := w.told(); len(got) != 0 {
		t.Errorf("the browser that changed the password is new: %v", got)
	}
}

func TestTwoChangesAtOnceLeaveOnePassword(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	token := p.token
	passwords := []string{second, third, fourth, fifth}
	got := parallel(len(passwords), func(i int) error {
		_, err := w.ChangePassword(t.Context(), token, secret(first), secret(passwords[i]), p.from)
		return err
	})
	if got[""] != 1 {
		t.Fatalf("%v", got)
	}
	works := 0
	for _, password := range passwords {
		if _, err := stranger(w, "ann").signIn(password); err == nil {
			works++
		}
	}
	if works != 1 {
		t.Errorf("%d of the passwords work", works)
	}
}

// A password checked a moment before it was changed opens nothing.
func TestPasswordChangedWhileItIsChecked(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	thief := stranger(w, "ann")
	h := *w.parts.Hasher
	quick := h.derive
	changed := false
	h.derive = func(password, salt []byte, c cost) []byte {
		if !changed {
			changed = true
			w.must(p.changePassword(first, second))
		}
		return quick(password, salt, c)
	}
	slow, err := NewService(func() Parts { parts := w.parts; parts.Hasher = &h; return parts }())
	w.must(err)
	_, err = slow.SignIn(t.Context(), Credentials{Username: "ann", Password: secret(first)}, thief.from)
	wants(t, err, controlplane.CodeDenied)
	if e := w.lastAudit(); e.Reason != "changed_meanwhile" {
		t.Errorf("unexpected audit row: %+v", e)
	}
}

// What cannot be told to the owner is not done: the notice and the change are one
// transaction.
func TestNoticeAndChangeAreOneTransaction(t *testing.T) {
	asvs.Covers(t, "6.3.7")
	w := newWorld(t)
	p := w.settled("ann")
	notify := w.parts.Notify
	full := errors.New("the outbox is full")
	w.rebuild(func(parts *Parts) {
		parts.Notify = func(ctx context.Context, tx controlplane.Tx, n controlplane.AccountNotice) error {
			return errors.Join(notify(ctx, tx, n), full)
		}
	})
	if e := wants(t, p.changePassword(first, second), controlplane.CodeInternal); !errors.Is(e, full) {
		t.Errorf("the cause is lost: %v", e)
	}
	w.rebuild(func(parts *Parts) { parts.Notify = notify })
	p.in(controlplane.SessionActive)
	p.step(controlplane.SessionActive)(p.signIn(first))
}

func TestRemovingTheSecondFactorDemandsAPasswordThatStandsAlone(t *testing.T) {
	asvs.Covers(t, "6.5.6", "6.3.7")
	w := newWorld(t)
	p := w.enrolled("ann")
	w.must(p.changePassword(first, "kT9#vQ2m!xR7"))
	w.must(p.confirm(p.password, p.code().Reveal()))
	w.told()
	p.step(controlplane.SessionPendingPassword)(p.keep(w.RemoveFactor(t.Context(), p.token, p.from)))
	if got := w.told(); !slices.Equal(got, []controlplane.AccountNoticeKind{controlplane.NoticeSecondFactorRemoved}) {
		t.Errorf("told %v", got)
	}
	wantsRule(t, p.changePassword(p.password, "vT3#mQ8k!zR5"), "short")
	w.must(p.changePassword(p.password, third))
	p.step(controlplane.SessionActive)(p.signIn(third))
	_, err := w.NewRecoveryCodes(t.Context(), p.token, p.from)
	wants(t, err, controlplane.CodeSudoRequired)
	w.must(p.confirm(third, ""))
	_, err = w.NewRecoveryCodes(t.Context(), p.token, p.from)
	wants(t, err, controlplane.CodeConflict)
	_, err = w.RemoveFactor(t.Context(), p.token, p.from)
	wants(t, err, controlplane.CodeConflict)
	w.clock.pass(91 * 24 * time.Hour)
	p.step(controlplane.SessionPendingPassword)(p.signIn(third)) // and its age counts again
}
