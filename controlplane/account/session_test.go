package account

import (
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

func TestSessionEndsIdleAndAtItsLimit(t *testing.T) {
	asvs.Covers(t, "7.3.1", "7.3.2")
	w := newWorld(t)
	p := w.settled("ann")
	w.clock.pass(idleLimit - time.Second)
	p.in(controlplane.SessionActive) // which is a use
	w.clock.pass(idleLimit - time.Second)
	p.in(controlplane.SessionActive)
	w.clock.pass(idleLimit)
	p.in("")

	p.step(controlplane.SessionActive)(p.signIn(first))
	for range 12*60/10 - 1 {
		w.clock.pass(10 * time.Minute)
		p.in(controlplane.SessionActive)
	}
	w.clock.pass(10 * time.Minute)
	p.in("")
}

func TestUnfinishedSessionsAreShort(t *testing.T) {
	for state, life := range map[string]time.Duration{
		"pending 2fa": 5 * time.Minute, "pending password": 10 * time.Minute, "pending enrol": 15 * time.Minute,
	} {
		w := newWorld(t)
		p := w.inState(state, "ann")
		w.clock.pass(life - time.Second)
		if p.standing().Session.ID == "" {
			t.Errorf("%s ended early", state)
		}
		w.clock.pass(time.Second)
		if p.standing().Session.ID != "" {
			t.Errorf("%s outlived %s", state, life)
		}
	}
}

func TestSudoIsAbsolute(t *testing.T) {
	asvs.Covers(t, "7.2.4", "7.5.3")
	w := newWorld(t)
	p := w.settled("ann")
	before := p.standing().Session
	old := p.token
	w.clock.pass(time.Minute)
	w.must(p.confirm(first, ""))
	if st, err := w.Session(t.Context(), old); err != nil || st.Session.ID != "" {
		t.Errorf("the token from before holds: %v", err)
	}
	if now := p.standing(); !now.Sudo || !now.Session.ExpiresAt.Equal(before.ExpiresAt) || !now.Session.CreatedAt.Equal(before.CreatedAt) {
		t.Errorf("confirming lengthened the session: %+v", now.Session)
	}
	for range 9 {
		w.clock.pass(time.Minute)
		if !p.standing().Sudo {
			t.Fatal("sudo ended early")
		}
	}
	w.clock.pass(time.Minute)
	if st := p.standing(); st.Sudo || st.Session.ID == "" {
		t.Errorf("using sudo lengthened it: %+v", st)
	}
}

func TestSudoNeedsBothFactorsAndNoRecoveryCode(t *testing.T) {
	asvs.Covers(t, "7.5.1")
	w := newWorld(t)
	p := w.enrolled("ann")
	wrong := wants(t, p.confirm(second, p.code().Reveal()), controlplane.CodeDenied).Error()
	for name, try := range map[string]func() error{
		"no code":       func() error { return p.confirm(first, "") },
		"wrong code":    func() error { return p.confirm(first, "000000") },
		"recovery code": func() error { return p.confirm(first, p.codes[0].Reveal()) },
	} {
		if e := wants(t, try(), controlplane.CodeDenied); e.Error() != wrong {
			t.Errorf("%s: %q differs from %q", name, e, wrong)
		}
	}
	w.must(p.confirm(first, p.code().Reveal())) // the code was not spent by the wrong password
	wants(t, p.confirm(first, p.code().Reveal()), controlplane.CodeDenied)
	if f, err := w.Factor(t.Context(), p.token); err != nil || f.CodesLeft != 10 {
		t.Errorf("a recovery code was spent: %+v, %v", f, err)
	}
}

// Wrong passwords for sudo leave the counter of codes alone, or somebody at an open
// browser could lock its owner out for a day.
func TestWrongPasswordsDoNotUseUpTheCodes(t *testing.T) {
	w := newWorld(t)
	p := w.enrolled("ann")
	for range 3 * codeByDevice().most / passwordByDevice().most {
		p.step(controlplane.SessionPending2FA)(p.signIn(first))
		p.step(controlplane.SessionActive)(p.showCode())
		for range passwordByDevice().most {
			wants(t, p.confirm(second, p.code().Reveal()), controlplane.CodeDenied)
		}
		w.clock.pass(passwordByDevice().window)
	}
	p.step(controlplane.SessionPending2FA)(p.signIn(first))
	p.step(controlplane.SessionActive)(p.showCode())
}

func TestSudoIsThrottled(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	for range passwordByDevice().most {
		wants(t, p.confirm(second, ""), controlplane.CodeDenied)
	}
	e := wants(t, p.confirm(first, ""), controlplane.CodeLimit)
	if e.RetryAfter <= 0 || e.RetryAfter > passwordByDevice().window {
		t.Errorf("retry after %s", e.RetryAfter)
	}
	w.clock.pass(passwordByDevice().window)
	p.step(controlplane.SessionActive)(p.signIn(first))
	w.must(p.confirm(first, ""))
}

// What protects the account changed: every older session is dead at its next
// request.
func TestSessionsEndWithChangesOfTheAccount(t *testing.T) {
	asvs.Covers(t, "7.4.1", "7.4.2", "7.4.3", "7.4.5", "8.3.2")
	for name, change := range map[string]func(w *world, p *person) error{
		"role": func(w *world, p *person) error {
			return second2(w.domain.SetUserRole(w.Context(), local(), controlplane.SetUserRole{MerchantID: p.merchantID, UserID: p.id, Role: controlplane.RoleViewer}))
		},
		"disabled": func(w *world, p *person) error {
			return second2(w.domain.DisableUser(w.Context(), local(), p.merchantID, p.id))
		},
		"second factor added": func(w *world, p *person) error {
			q := &person{w: w, username: "ann", from: p.from}
			q.step(controlplane.SessionActive)(q.signIn(first))
			w.must(q.confirm(first, ""))
			q.enrol()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.settled("ann")
			p.in(controlplane.SessionActive)
			w.must(change(w, p))
			p.in("")
			for op, try := range p.everything() {
				if err := try(); op != "sign out" && controlplane.CodeOf(err) != controlplane.CodeUnauthenticated {
					t.Errorf("%s: %v", op, err)
				}
			}
		})
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	w := newWorld(t)
	p, stranger := w.settled("ann"), w.settled("bob")
	var others []*person
	for range 2 {
		w.clock.pass(time.Second)
		o := &person{w: w, username: "ann", from: from("203.0.113.5")}
		o.step(controlplane.SessionActive)(o.signIn(first))
		others = append(others, o)
	}
	list, err := w.Sessions(t.Context(), p.token)
	w.must(err)
	if len(list) != 3 || !list[0].Current || list[1].Current || list[1].IP.String() != "203.0.113.5" || list[1].UserAgent != "Firefox" {
		t.Fatalf("unexpected list: %+v", list)
	}
	foreign := stranger.standing().Session.ID
	unknown := wants(t, w.EndSession(t.Context(), p.token, "ses_00000000000000000000000000", p.from), controlplane.CodeNotFound)
	if e := wants(t, w.EndSession(t.Context(), p.token, foreign, p.from), controlplane.CodeNotFound); e.Error() != unknown.Error() {
		t.Errorf("a foreign session answers %q, an unknown one %q", e, unknown)
	}
	stranger.in(controlplane.SessionActive)
	w.must(w.EndSession(t.Context(), p.token, list[1].ID, p.from))
	if e := w.lastAudit(); e.Operation != controlplane.OpSessionRevoke || e.ActorID != p.id {
		t.Errorf("unexpected audit row: %+v", e)
	}
	others[0].in("")
	others[1].in(controlplane.SessionActive)
	w.must(w.EndOtherSessions(t.Context(), p.token, p.from))
	others[1].in("")
	p.in(controlplane.SessionActive)
	w.must(w.SignOut(t.Context(), p.token, p.from))
	p.in("")
	w.must(w.SignOut(t.Context(), p.token, p.from))
	stranger.in(controlplane.SessionActive)
}

func TestOldestOfTooManySessionsGivesWay(t *testing.T) {
	asvs.Covers(t, "7.1.2")
	w := newWorld(t)
	p := w.enrolled("ann")
	owner := p.token
	thief := stranger(w, "ann")
	for range 3 * maxSessions { // knows the password and no more
		w.clock.pass(time.Second)
		_, err := thief.signIn(first)
		w.must(err)
	}
	p.in(controlplane.SessionActive)
	for i := range maxSessions {
		w.clock.pass(totpPeriod)
		if p.token = owner; i < maxSessions-1 {
			p.in(controlplane.SessionActive)
		}
		p.step(controlplane.SessionPending2FA)(p.signIn(first))
		p.step(controlplane.SessionActive)(p.showCode())
	}
	if p.token = owner; p.standing().Session.ID != "" {
		t.Error("there is no limit")
	}
}

func TestTokensThatAreNone(t *testing.T) {
	asvs.Covers(t, "7.2.1")
	w := newWorld(t)
	p := w.settled("ann")
	good := p.token.Reveal()
	id, half, _ := strings.Cut(good, ".")
	other := &person{w: w, username: "ann", from: p.from}
	other.step(controlplane.SessionActive)(other.signIn(first))
	_, otherHalf, _ := strings.Cut(other.token.Reveal(), ".")
	for why, text := range map[string]string{
		"empty": "", "id only": id, "no secret": id + ".", "no id": "." + half, "secret of another": id + "." + otherHalf, "longer": good + "A",
		"padded": good + "=", "space": good + " ", "line break": good[:40] + "\n" + good[40:], "upper case id": strings.ToUpper(id) + "." + half,
		"endless": strings.Repeat("a", 1_000_000), "two": good + "." + good, "the hash": id + "." + strings.Repeat("A", 43),
	} {
		st, err := w.Session(t.Context(), secret(text))
		if err != nil || st.Session.ID != "" || st.Account.ID != "" {
			t.Errorf("%s: %+v, %v", why, st, err)
		}
	}
	p.in(controlplane.SessionActive)
}

// Looking at pages writes nothing; the last use reaches the database with Flush.
func TestLastUseIsFlushed(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	stored := func() (at time.Time) {
		w.view(func(tx controlplane.Tx) error {
			s, err := tx.Session(t.Context(), p.standing().Session.ID)
			at = s.LastSeenAt
			return err
		})
		return at
	}
	before := stored()
	w.clock.pass(10 * time.Minute)
	p.in(controlplane.SessionActive)
	if !stored().Equal(before) {
		t.Error("looking wrote to the database")
	}
	w.must(w.Flush(t.Context()))
	if !stored().Equal(w.clock.Now()) {
		t.Errorf("last seen %s; want %s", stored(), w.clock.Now())
	}
	w.rebuild(func(*Parts) {}) // another process
	w.clock.pass(idleLimit - time.Second)
	p.in(controlplane.SessionActive)
	w.must(w.Flush(t.Context()))
	w.must(w.Flush(t.Context()))
}

func TestSweepDeletesWhatHasEnded(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	_, err := stranger(w, "ann").signIn(second)
	wants(t, err, controlplane.CodeDenied)
	w.clock.pass(idleLimit / 2)
	p.in(controlplane.SessionActive)
	w.must(w.Sweep(t.Context()))
	p.in(controlplane.SessionActive)
	w.clock.pass(200 * 24 * time.Hour)
	w.must(w.Sweep(t.Context()))
	w.view(func(tx controlplane.Tx) error {
		sessions, err := tx.Sessions(t.Context(), p.id)
		if err != nil {
			return err
		}
		history, err := tx.SignIns(t.Context(), p.id, 10)
		if len(sessions)+len(history) != 0 {
			t.Errorf("%d sessions, %d rows of history are left", len(sessions), len(history))
		}
		return err
	})
	hash, _ := tokenHash(p.device.Reveal())
	w.view(func(tx controlplane.Tx) error {
		known, err := tx.DeviceInUse(t.Context(), hash)
		if known {
			t.Error("a device unseen for 200 days is known")
		}
		return err
	})
}

func TestHistoryTellsOfEveryAttempt(t *testing.T) {
	asvs.Covers(t, "16.3.1")
	w := newWorld(t)
	p := w.settled("ann")
	thief := stranger(w, "ann")
	for range passwordByName().most + 3 {
		_, err := thief.signIn(second)
		if err == nil {
			t.Fatal("signed in with a wrong password")
		}
	}
	history, err := w.SignIns(t.Context(), p.token)
	w.must(err)
	failed, denied := 0, 0
	for _, s := range history {
		switch {
		case s.Outcome == controlplane.OutcomeFailed && s.IP.String() == "203.0.113.66":
			failed++
		case s.Outcome == controlplane.OutcomeDenied:
			denied++
		}
	}
	if failed != passwordByName().most || denied != 1 {
		t.Errorf("%d failed, %d denied in %+v", failed, denied, history)
	}
}
