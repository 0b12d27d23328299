package account

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// Passwords, seeds, codes and tokens are nowhere: not in the database or its log,
// not in the trail, not in errors or in what is printed of the types.
func TestProofsAreNowhereInTheClear(t *testing.T) {
	asvs.Covers(t, "6.5.2")
	w := newWorld(t)
	p := w.enrolled("ann")
	wrong := "wrong canary password 4f1c"
	errs := []error{}
	_, err := stranger(w, wrong).signIn(wrong) // a password typed into the name
	errs = append(errs, err)
	_, err = stranger(w, "ann").signIn(wrong)
	errs = append(errs, err, p.changePassword(wrong, second), p.changePassword(first, "Password12345678"), p.confirm(wrong, "987654"))
	p.step(controlplane.SessionPending2FA)(p.signIn(first))
	_, err = w.RecoveryCode(t.Context(), p.token, secret("0123AB-CDEFGH-JKMNPQ-RSTVWX"), p.from)
	errs = append(errs, err)
	pending := p.token
	code := p.code()
	p.step(controlplane.SessionActive)(p.keep(w.Code(t.Context(), p.token, code, p.from)))
	st := p.standing()

	_, half, _ := strings.Cut(p.token.Reveal(), ".")
	_, pendingHalf, _ := strings.Cut(pending.Reveal(), ".")
	canaries := map[string]string{
		"password": first, "wrong password": wrong, "refused password": "Password12345678", "seed": p.seed.Reveal(), "session token": half,
		"pending token": pendingHalf, "device token": p.device.Reveal(), "recovery code": p.codes[0].Reveal(),
		"bare recovery code": strings.ReplaceAll(p.codes[1].Reveal(), "-", ""), "wrong recovery code": "0123AB-CDEFGH",
	}
	events, err := w.domain.ListAudit(t.Context(), local(), controlplane.AuditFilter{Limit: 1000})
	w.must(err)
	sessions, err := w.Sessions(t.Context(), p.token)
	w.must(err)
	places := map[string]string{
		"the files": filesOf(t, w), "the trail": fmt.Sprintf("%+v", events), "errors": fmt.Sprintf("%v %+v", errs, errs),
		"a standing": fmt.Sprintf("%v %+v %#v", st, st, st), "sessions": fmt.Sprintf("%+v", sessions),
		"a ticket": fmt.Sprintf("%+v %#v", Ticket{Token: p.token, Device: p.device}, Enrolment{URI: p.seed, Seed: p.seed}),
	}
	for place, text := range places {
		for name, canary := range canaries {
			if strings.Contains(text, canary) {
				t.Errorf("the %s is in %s", name, place)
			}
		}
	}
	if !strings.Contains(places["the files"], "$argon2id$") || !strings.Contains(places["the trail"], "account.sign_in") {
		t.Error("the search does not reach the database")
	}
}

func filesOf(t *testing.T, w *world) string {
	t.Helper()
	var all strings.Builder
	files, err := filepath.Glob(filepath.Join(w.dir, "*"))
	w.must(err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		w.must(err)
		all.Write(b)
	}
	return all.String()
}

// Everything that is done to an account is in the trail of its merchant, and the
// trail stays whole.
func TestTrailTellsOfEverythingDoneToAnAccount(t *testing.T) {
	asvs.Covers(t, "16.2.1", "16.3.1")
	w := newWorld(t)
	p := w.enrolled("ann")
	w.must(p.confirm(first, p.code().Reveal()))
	_, err := w.NewRecoveryCodes(t.Context(), p.token, p.from)
	w.must(err)
	p.step(controlplane.SessionPendingPassword)(p.keep(w.RemoveFactor(t.Context(), p.token, p.from)))
	w.must(p.changePassword(first, second))
	w.must(w.EndOtherSessions(t.Context(), p.token, p.from))
	w.must(w.SignOut(t.Context(), p.token, p.from))
	_, err = stranger(w, "ann").signIn(first)
	wants(t, err, controlplane.CodeDenied)

	events, err := w.domain.ListAudit(t.Context(), local(), controlplane.AuditFilter{MerchantID: p.merchantID})
	w.must(err)
	got := map[controlplane.Operation]bool{}
	for _, e := range events {
		if strings.HasPrefix(string(e.Operation), "account.") && (e.ActorKind != controlplane.ActorUser || e.ActorID != p.id || e.ActorName != "ann" || e.IP == "" || e.UserAgent != "Firefox" || e.RequestID != "req_1") {
			t.Errorf("unexpected row: %+v", e)
		}
		got[e.Operation] = true
	}
	for _, op := range []controlplane.Operation{
		controlplane.OpSignIn, controlplane.OpSignOut, controlplane.OpSudo, controlplane.OpPasswordChange, controlplane.OpSecondFactorBegin,
		controlplane.OpSecondFactorEnrol, controlplane.OpSecondFactorRemove, controlplane.OpRecoveryCodes, controlplane.OpSessionRevoke,
	} {
		if !got[op] {
			t.Errorf("%s is not in the trail", op)
		}
	}
	report, err := w.domain.VerifyAudit(t.Context(), local())
	if err != nil || report.FirstBad != 0 {
		t.Errorf("the trail is broken: %+v, %v", report, err)
	}
}

// Wherever the database stops working, a step fails as a whole: nobody is let in
// and nothing half-done stays.
func TestAnyFailureOfTheStoreLetsNobodyIn(t *testing.T) {
	asvs.Covers(t, "16.5.3")
	w := newWorld(t)
	p := w.enrolled("ann")
	pending := func() controlplane.Secret {
		_, err := p.signIn(first)
		w.must(err)
		return p.token
	}
	for name, c := range map[string]struct {
		updates int64 // that a step makes
		try     func(token controlplane.Secret) (Ticket, error)
	}{
		"sign in": {2, func(controlplane.Secret) (Ticket, error) {
			return w.SignIn(t.Context(), Credentials{Username: "ann", Password: secret(first)}, p.from)
		}},
		"code": {2, func(token controlplane.Secret) (Ticket, error) { return w.Code(t.Context(), token, p.code(), p.from) }},
		"recovery code": {2, func(token controlplane.Secret) (Ticket, error) {
			return w.RecoveryCode(t.Context(), token, p.codes[0], p.from)
		}},
	} {
		for n := range c.updates {
			token := pending()
			f := &failing{Store: w.db}
			f.left.Store(n)
			w.rebuild(func(parts *Parts) { parts.Store = f })
			ticket, err := c.try(token)
			w.rebuild(func(parts *Parts) { parts.Store = w.db })
			if err == nil || !ticket.Token.IsZero() {
				t.Errorf("%s with %d updates: let in", name, n)
			}
		}
		token := pending()
		if ticket, err := c.try(token); err != nil || ticket.Token.IsZero() {
			t.Errorf("%s afterwards: %v", name, err)
		}
		w.clock.pass(totpPeriod)
	}
}
