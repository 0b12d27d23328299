package account

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// everything is each operation that takes the token of a session.
func (p *person) everything() map[string]func() error {
	w, ctx := p.w, p.w.Context()
	return map[string]func() error{
		"code":          func() error { return second2(w.Code(ctx, p.token, p.anyCode(), p.from)) },
		"recovery code": func() error { return second2(w.RecoveryCode(ctx, p.token, secret("none"), p.from)) },
		"change password": func() error {
			return second2(w.ChangePassword(ctx, p.token, secret(p.password), secret(fifth), p.from))
		},
		"confirm": func() error { return second2(w.Confirm(ctx, p.token, secret(p.password), p.anyCode(), p.from)) },
		"factor":  func() error { return second2(w.Factor(ctx, p.token)) },
		"begin":   func() error { return second2(w.BeginEnrolment(ctx, p.token, p.from)) },
		"finish": func() error {
			_, _, err := w.FinishEnrolment(ctx, p.token, secret("000000"), p.from)
			return err
		},
		"remove":         func() error { return second2(w.RemoveFactor(ctx, p.token, p.from)) },
		"recovery codes": func() error { return second2(w.NewRecoveryCodes(ctx, p.token, p.from)) },
		"sessions":       func() error { return second2(w.Sessions(ctx, p.token)) },
		"end session":    func() error { return w.EndSession(ctx, p.token, "ses_none", p.from) },
		"end others":     func() error { return w.EndOtherSessions(ctx, p.token, p.from) },
		"sign-ins":       func() error { return second2(w.SignIns(ctx, p.token)) },
		"sign out":       func() error { return w.SignOut(ctx, p.token, p.from) },
	}
}

func second2[T any](_ T, err error) error { return err }

func (p *person) anyCode() controlplane.Secret {
	if p.seed.IsZero() {
		return secret("000000")
	}
	return p.code()
}

// Every operation in every state of a session: what is not listed is refused as if
// there were no session. "ok" also stands for refusals of the input.
func TestEveryOperationInEveryState(t *testing.T) {
	const (
		ok   = "ok"
		sudo = "sudo"
		no   = "no"
	)
	states := []string{"nobody", "pending 2fa", "pending password", "pending enrol", "active", "sudo", "signed out"}
	want := map[string][]string{
		"code":            {no, ok, no, no, no, no, no},
		"recovery code":   {no, ok, no, no, no, no, no},
		"change password": {no, no, ok, no, ok, ok, no},
		"confirm":         {no, no, no, no, ok, ok, no},
		"factor":          {no, no, no, ok, ok, ok, no},
		"begin":           {no, no, no, ok, sudo, ok, no},
		"finish":          {no, no, no, ok, sudo, ok, no},
		"remove":          {no, no, no, no, sudo, ok, no},
		"recovery codes":  {no, no, no, no, sudo, ok, no},
		"sessions":        {no, no, no, no, ok, ok, no},
		"end session":     {no, no, no, no, ok, ok, no},
		"end others":      {no, no, no, no, ok, ok, no},
		"sign-ins":        {no, no, no, no, ok, ok, no},
		"sign out":        {ok, ok, ok, ok, ok, ok, ok},
	}
	w := newWorld(t)
	for i, state := range states {
		for _, name := range slices.Sorted(maps.Keys(want)) {
			t.Run(state+"/"+name, func(t *testing.T) {
				p := w.inState(state, fmt.Sprintf("u%d.%s", i, strings.ReplaceAll(name, " ", "-")))
				got := ok
				switch controlplane.CodeOf(p.everything()[name]()) {
				case controlplane.CodeUnauthenticated:
					got = no
				case controlplane.CodeSudoRequired:
					got = sudo
				}
				if got != want[name][i] {
					t.Errorf("got %s; want %s", got, want[name][i])
				}
			})
		}
	}
	if p := (&person{w: w}).everything(); len(p) != len(want) {
		t.Errorf("%d operations, %d rows", len(p), len(want))
	}
}

func (w *world) inState(state, username string) *person {
	w.Helper()
	w.rebuild(func(parts *Parts) { parts.Rules.RequireSecondFactor = false })
	switch state {
	case "nobody":
		return stranger(w, username)
	case "pending 2fa":
		p := w.enrolled(username)
		p.step(controlplane.SessionPending2FA)(p.signIn(first))
		return p
	case "pending password":
		p := &person{w: w, username: username, from: from("198.51.100.7")}
		var initial controlplane.Secret
		p.id, p.merchantID, initial = w.fresh(username)
		p.password = initial.Reveal()
		p.step(controlplane.SessionPendingPassword)(p.signIn(p.password))
		return p
	case "pending enrol":
		p := w.settled(username)
		w.rebuild(func(parts *Parts) { parts.Rules.RequireSecondFactor = true })
		p.step(controlplane.SessionPendingEnrol)(p.signIn(first))
		return p
	case "signed out":
		p := w.settled(username)
		w.must(w.SignOut(w.Context(), p.token, p.from))
		return p
	}
	p := w.settled(username)
	if state == "sudo" {
		w.must(p.confirm(first, ""))
	}
	return p
}
