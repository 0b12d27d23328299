package account

import (
	"slices"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

func TestFirstSignInForcesANewPassword(t *testing.T) {
	w := newWorld(t)
	p := &person{w: w, username: "ann", from: from("198.51.100.7")}
	var initial controlplane.Secret
	p.id, p.merchantID, initial = w.fresh("ann")
	p.step(controlplane.SessionPendingPassword)(p.signIn(initial.Reveal()))
	before := p.token
	p.step(controlplane.SessionActive)(p.keep(w.ChangePassword(t.Context(), p.token, initial, secret(first), p.from)))
	if p.device.IsZero() || p.token.Reveal() == before.Reveal() {
		t.Error("the session kept its id, or the browser is not known")
	}
	if got := w.told(); !slices.Equal(got, []controlplane.AccountNoticeKind{controlplane.NoticePasswordChanged}) {
		t.Errorf("told %v", got)
	}
	p.step(controlplane.SessionActive)(p.signIn(first))
	if e := w.lastAudit(); e.Operation != controlplane.OpSignIn || e.ActorID != p.id || e.MerchantID != p.merchantID || e.IP != "198.51.100.7" || e.Reason != "active" {
		t.Errorf("unexpected audit row: %+v", e)
	}
}

func TestSignInWithCodeThenWithRecoveryCode(t *testing.T) {
	w := newWorld(t)
	p := w.enrolled("ann")
	if len(p.codes) != 10 {
		t.Fatalf("%d recovery codes", len(p.codes))
	}
	w.told()
	p.step(controlplane.SessionPending2FA)(p.signIn(first))
	p.step(controlplane.SessionActive)(p.showCode())
	if st := p.standing(); !st.Session.SecondFactor || !st.Account.SecondFactor || st.Sudo {
		t.Errorf("unexpected standing: %+v", st)
	}
	p.step(controlplane.SessionPending2FA)(p.signIn(first))
	p.step(controlplane.SessionActive)(p.keep(w.RecoveryCode(t.Context(), p.token, p.codes[3], p.from)))
	if f, err := w.Factor(t.Context(), p.token); err != nil || f.CodesLeft != 9 || !f.Enrolled {
		t.Errorf("unexpected factor: %+v, %v", f, err)
	}
	if got := w.told(); !slices.Equal(got, []controlplane.AccountNoticeKind{controlplane.NoticeRecoveryCodeUsed}) {
		t.Errorf("told %v", got)
	}
}

// One message for every reason, and the same hashing work.
func TestRefusalsCannotBeToldApart(t *testing.T) {
	asvs.Covers(t, "6.3.8")
	w := newWorld(t)
	p, disabled := w.settled("ann"), w.settled("bob")
	_, err := w.domain.DisableUser(t.Context(), local(), disabled.merchantID, disabled.id)
	w.must(err)
	_, _, initial := w.fresh("carol")
	w.clock.pass(72 * time.Hour)
	texts := map[string]bool{}
	for reason, c := range map[string]Credentials{
		"wrong_password":           {Username: p.username, Password: secret(second)},
		"unknown_name":             {Username: "nobody", Password: secret(first)},
		"disabled":                 {Username: disabled.username, Password: secret(first)},
		"initial_password_expired": {Username: "carol", Password: initial},
	} {
		before := w.hashes.Load()
		_, err := w.SignIn(t.Context(), c, from("203.0.113.9"))
		texts[wants(t, err, controlplane.CodeDenied).Error()] = true
		if n := w.hashes.Load() - before; n != 1 {
			t.Errorf("%s: %d hashes", reason, n)
		}
		if e := w.lastAudit(); e.Reason != reason || e.Outcome != controlplane.OutcomeFailed {
			t.Errorf("%s: unexpected audit row: %+v", reason, e)
		}
		if e := w.lastAudit(); reason == "unknown_name" && (e.ActorID != "" || e.ActorName != "" || e.MerchantID != "") {
			t.Errorf("an unknown name, which may be a password, is in the trail: %+v", e)
		}
	}
	if len(texts) != 1 {
		t.Errorf("%d different answers: %v", len(texts), texts)
	}
}

func TestPasswordWithinItsLifeWorks(t *testing.T) {
	w := newWorld(t)
	_, _, initial := w.fresh("carol")
	w.clock.pass(72*time.Hour - time.Second)
	p := &person{w: w, username: "carol", from: from("198.51.100.7")}
	p.step(controlplane.SessionPendingPassword)(p.signIn(initial.Reveal()))
}

func TestEveryFormOfANameAndAPasswordSignsIn(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann@shop.example")
	for _, username := range []string{"ANN@shop.example", " ann@shop.example\t", "Ann@Shop.Example"} {
		p.username = username
		p.step(controlplane.SessionActive)(p.signIn(first))
	}
	composed, decomposed := "caf\u00e9 otter quilt mango", "cafe\u0301 otter quilt mango"
	_, err := p.keep(w.ChangePassword(t.Context(), p.token, secret(first), secret(composed), p.from))
	w.must(err)
	p.step(controlplane.SessionActive)(p.signIn(decomposed))
}

func TestPasswordsThatNobodyCanHaveAreWrong(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	for _, password := range []string{"", string(make([]byte, 1_000_000)), "\xff\xfe"} {
		_, err := p.signIn(password)
		wants(t, err, controlplane.CodeDenied)
	}
}

// Keycloak and others: an expired password is a new state, not a way round.
func TestPasswordExpiresOnlyWhereItIsTheOnlyFactor(t *testing.T) {
	asvs.Covers(t, "6.2.10", "6.4.5")
	w := newWorld(t)
	alone, two := w.settled("ann"), w.enrolled("bob")
	w.clock.pass(90*24*time.Hour - time.Minute)
	alone.step(controlplane.SessionActive)(alone.signIn(first))
	w.clock.pass(2 * time.Minute)
	alone.step(controlplane.SessionPendingPassword)(alone.signIn(first))
	two.step(controlplane.SessionPending2FA)(two.signIn(first))
	two.step(controlplane.SessionActive)(two.showCode())

	w.rebuild(func(p *Parts) { p.Rules.PasswordLife = -1 })
	w.clock.pass(1000 * 24 * time.Hour)
	alone.step(controlplane.SessionActive)(alone.signIn(first))
}

func TestSecondFactorComesBeforeTheForcedChange(t *testing.T) {
	asvs.Covers(t, "6.3.4")
	w := newWorld(t)
	p := w.enrolled("ann")
	w.must(w.db.Update(t.Context(), func(tx controlplane.Tx) error {
		u, err := tx.User(t.Context(), p.merchantID, p.id)
		if err != nil {
			return err
		}
		u.Password.MustChange = true
		return tx.UpdateUser(t.Context(), u)
	}))
	p.step(controlplane.SessionPending2FA)(p.signIn(first))
	_, err := w.ChangePassword(t.Context(), p.token, secret(first), secret(second), p.from)
	wants(t, err, controlplane.CodeUnauthenticated)
	p.step(controlplane.SessionPendingPassword)(p.showCode())
	p.step(controlplane.SessionActive)(p.keep(w.ChangePassword(t.Context(), p.token, secret(first), secret(second), p.from)))
	if !p.standing().Session.SecondFactor {
		t.Error("the session forgot that the second factor was shown")
	}
}

func TestPolicyDemandsEnrolment(t *testing.T) {
	asvs.Covers(t, "6.3.3")
	w := newWorld(t)
	p := w.settled("ann")
	w.rebuild(func(p *Parts) { p.Rules.RequireSecondFactor = true })
	p.step(controlplane.SessionPendingEnrol)(p.signIn(first))
	if a := p.standing().Actor(p.from); a.Kind != "" {
		t.Errorf("an unfinished sign-in acts as %+v", a)
	}
	p.enrol()
	_, err := w.RemoveFactor(t.Context(), p.token, p.from)
	wants(t, err, controlplane.CodeSudoRequired)
	w.must(p.confirm(first, p.code().Reveal()))
	_, err = w.RemoveFactor(t.Context(), p.token, p.from)
	wants(t, err, controlplane.CodeDenied)
}

func TestSuspendedMerchantsUsersMayStillSignIn(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	_, err := w.domain.SuspendMerchant(t.Context(), local(), p.merchantID)
	w.must(err)
	p.step(controlplane.SessionActive)(p.signIn(first))
	if !p.standing().Account.Suspended {
		t.Error("the standing does not tell of the suspension")
	}
}

func TestCheaperHashIsMadeAnewAtSignIn(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	old := phc{cost{8192, 1, 1}, make([]byte, saltLength), nil}
	old.key = w.parts.Hasher.derive([]byte(first), old.salt, old.cost)
	var after string
	hash := func(set *controlplane.Secret) {
		w.must(w.db.Update(t.Context(), func(tx controlplane.Tx) error {
			u, err := tx.User(t.Context(), p.merchantID, p.id)
			if err != nil {
				return err
			}
			after = u.Password.Hash.Reveal()
			if set != nil {
				u.Password.Hash = *set
			}
			return tx.UpdateUser(t.Context(), u)
		}))
	}
	cheap := secret(old.String())
	hash(&cheap)
	p.step(controlplane.SessionActive)(p.signIn(first))
	if hash(nil); after == cheap.Reveal() {
		t.Error("the cheap hash is still stored")
	}
	p.step(controlplane.SessionActive)(p.signIn(first))
}

func TestStaffSignInOnTheirOwnAndNeedASecondFactor(t *testing.T) {
	asvs.Covers(t, "8.4.2")
	w := newWorld(t)
	user := w.settled("ann")
	a, err := w.domain.BootstrapStaff(t.Context(), local(), controlplane.BootstrapStaff{Username: "sam"})
	w.must(err)
	users := w.Service
	w.rebuild(func(p *Parts) { p.Kind = controlplane.ActorStaff })
	if st := user.standing(); st.Session.ID != "" {
		t.Error("a user's session holds for staff")
	}
	_, err = user.signIn(first)
	wants(t, err, controlplane.CodeDenied)

	p := &person{w: w, username: "sam", from: from("198.51.100.8")}
	p.step(controlplane.SessionPendingPassword)(p.signIn(a.InitialPassword.Reveal()))
	p.step(controlplane.SessionPendingEnrol)(p.keep(w.ChangePassword(t.Context(), p.token, a.InitialPassword, secret(second), p.from)))
	p.enrol()
	actor := p.standing().Actor(p.from)
	if actor.Kind != controlplane.ActorStaff || actor.Role != controlplane.RolePlatformAdmin || actor.MerchantID != "" {
		t.Errorf("unexpected actor: %+v", actor)
	}
	w.Service = users
	p.in("")
}

func TestActorOfASessionMayWhatTheirRoleMay(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	issue := func() error {
		_, err := w.domain.IssueKey(t.Context(), p.standing().Actor(p.from), controlplane.IssueKey{MerchantID: p.merchantID, Environment: controlplane.Test})
		return err
	}
	wants(t, issue(), controlplane.CodeSudoRequired)
	w.must(p.confirm(first, ""))
	w.must(issue())
}

func TestServiceNeedsItsPartsAndAKind(t *testing.T) {
	w := newWorld(t)
	for name, edit := range map[string]func(*Parts){
		"store": func(p *Parts) { p.Store = nil }, "sealer": func(p *Parts) { p.Sealer = nil }, "hasher": func(p *Parts) { p.Hasher = nil },
		"clock": func(p *Parts) { p.Clock = nil }, "random": func(p *Parts) { p.Random = nil }, "kind": func(p *Parts) { p.Kind = controlplane.ActorLocal },
	} {
		p := w.parts
		edit(&p)
		if _, err := NewService(p); err == nil {
			t.Errorf("a service without its %s", name)
		}
	}
	p := w.parts
	p.Notify = nil
	if _, err := NewService(p); err != nil {
		t.Errorf("an outbox is not required: %v", err)
	}
}
