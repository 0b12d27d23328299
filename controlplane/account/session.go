package account

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// How long a session lives in each state, and how much of it.
const (
	lifePending2FA      = 5 * time.Minute
	lifePendingPassword = 10 * time.Minute
	lifePendingEnrol    = 15 * time.Minute
	lifeActive          = 12 * time.Hour
	// idleLimit ends an active session that nobody uses.
	idleLimit = 15 * time.Minute
	// sudoLife is absolute: using it does not lengthen it.
	sudoLife = 10 * time.Minute
	// maxSessions of one account; the oldest gives way (ASVS 7.1.2).
	maxSessions = 10
	// seenEvery is how exactly the last use of a session is kept.
	seenEvery = 30 * time.Second
)

func lifeOf(state controlplane.SessionState) time.Duration {
	switch state {
	case controlplane.SessionPending2FA:
		return lifePending2FA
	case controlplane.SessionPendingPassword:
		return lifePendingPassword
	case controlplane.SessionPendingEnrol:
		return lifePendingEnrol
	}
	return lifeActive
}

// Ticket is what a step hands to the browser.
type Ticket struct {
	// Token of the session from now on; the one before is dead. Zero: unchanged.
	Token controlplane.Secret
	// Device is a long-lived token that makes the browser known; zero: the browser
	// keeps what it has.
	Device controlplane.Secret
	State  controlplane.SessionState
}

// Standing is a session that holds, and whose it is. The zero Standing is nobody's.
type Standing struct {
	Session controlplane.Session
	Account Account
	// Sudo: who they are was confirmed within the last ten minutes.
	Sudo bool
}

// Actor is who asks for operations. It is nobody, whom every operation refuses,
// unless the sign-in is complete: a forced change of the password is no advice.
func (st Standing) Actor(from Origin) controlplane.Actor {
	if st.Session.State != controlplane.SessionActive {
		return controlplane.Actor{}
	}
	a := st.Account
	return controlplane.Actor{
		Kind: a.Kind, ID: a.ID, Name: a.Username, Role: a.Role, MerchantID: a.MerchantID, Sudo: st.Sudo,
		IP: addrText(from.IP), UserAgent: from.UserAgent, RequestID: from.RequestID,
	}
}

// Session returns the standing of a token. A token that is unknown, ended, expired
// or outdated by a change of its account is nobody's, without an error. It writes
// nothing: that the session was used is kept in memory until [Service.Flush].
func (s *Service) Session(ctx context.Context, token controlplane.Secret) (Standing, error) {
	id, hash, ok := parseSessionToken(token)
	if !ok {
		return Standing{}, nil
	}
	return inView(ctx, s, func(tx controlplane.Tx) (Standing, error) {
		st, err := s.standing(ctx, tx, id)
		if err != nil || st.Session.ID == "" || !sameHash(st.Session.SecretHash, hash) {
			return Standing{}, err
		}
		s.seen.note(st.Session, s.now())
		return st, nil
	})
}

// standing is what a session is worth now.
func (s *Service) standing(ctx context.Context, tx controlplane.Tx, id string) (Standing, error) {
	session, err := tx.Session(ctx, id)
	if errors.Is(err, controlplane.ErrNotFound) || err == nil && session.Kind != s.kind {
		return Standing{}, nil
	}
	if err != nil {
		return Standing{}, err
	}
	a, err := byID(ctx, tx, session.Kind, session.MerchantID, session.AccountID)
	if err != nil {
		return Standing{}, err
	}
	now := s.now()
	if a.Disabled || a.SecurityVersion != session.SecurityVersion || s.ended(session, now) {
		return Standing{}, nil
	}
	return Standing{session, a, now.Before(session.SudoUntil)}, nil
}

func (s *Service) ended(session controlplane.Session, now time.Time) bool {
	if !now.Before(session.ExpiresAt) {
		return true
	}
	return session.State == controlplane.SessionActive && now.Sub(s.seen.last(session)) >= idleLimit
}

// need is what an operation asks of a session.
type need struct {
	states []controlplane.SessionState
	// sudo is asked of active sessions.
	sudo bool
}

func active(sudo bool) need {
	return need{[]controlplane.SessionState{controlplane.SessionActive}, sudo}
}

// orState adds a state of an unfinished sign-in, which cannot have sudo and needs
// none: it began with the password a moment ago.
func (n need) orState(state controlplane.SessionState) need {
	n.states = append(n.states, state)
	return n
}

// allows returns nil if the standing is enough.
func (n need) allows(st Standing) error {
	if !slices.Contains(n.states, st.Session.State) {
		return errSignIn()
	}
	if n.sudo && st.Session.State == controlplane.SessionActive && !st.Sudo {
		return controlplane.Errorf(controlplane.CodeSudoRequired, "confirm your password to do this")
	}
	return nil
}

// admit returns the standing of a token that may do what needs n.
func (s *Service) admit(ctx context.Context, token controlplane.Secret, n need) (Standing, error) {
	st, err := s.Session(ctx, token)
	if err != nil {
		return Standing{}, err
	}
	return st, n.allows(st)
}

// again looks at a standing once more, inside the transaction that acts on it: the
// session may have been used up since it was admitted. One that holds also tells
// that the password and the second factor are those that were checked, because
// changing them ends every session.
func (s *Service) again(ctx context.Context, tx controlplane.Tx, st Standing, n need) (Standing, error) {
	fresh, err := s.standing(ctx, tx, st.Session.ID)
	if err != nil {
		return Standing{}, err
	}
	return fresh, n.allows(fresh)
}

// entry is somebody about to get a session.
type entry struct {
	account Account
	from    Origin
	// secondFactor: it was shown.
	secondFactor bool
	// device is the hash of the browser's device token, if it has a good one.
	device [32]byte
}

// stateOf is what stands between a right password and the pages. The second factor
// comes before the forced change, or a leaked initial password would skip it.
func (s *Service) stateOf(a Account, secondFactor bool) controlplane.SessionState {
	switch {
	case a.SecondFactor && !secondFactor:
		return controlplane.SessionPending2FA
	case a.Password.MustChange || s.outlived(a):
		return controlplane.SessionPendingPassword
	case s.required() && !a.SecondFactor:
		return controlplane.SessionPendingEnrol
	}
	return controlplane.SessionActive
}

// outlived reports whether the password is the only factor and too old.
func (s *Service) outlived(a Account) bool {
	life := s.rules.PasswordLife
	return life > 0 && !a.SecondFactor && s.now().Sub(a.Password.ChangedAt) >= life
}

func (s *Service) required() bool {
	return s.kind == controlplane.ActorStaff || s.rules.RequireSecondFactor
}

// enter makes a session, always with a new id: one that somebody planted before
// the sign-in is worth nothing after it.
func (s *Service) enter(ctx context.Context, tx controlplane.Tx, e entry) (t Ticket, newDevice bool, err error) {
	now := s.now()
	t.State = s.stateOf(e.account, e.secondFactor)
	if t.State == controlplane.SessionActive {
		if t.Device, newDevice, err = s.knowDevice(ctx, tx, &e); err != nil {
			return Ticket{}, false, err
		}
	}
	session := controlplane.Session{
		Kind: s.kind, AccountID: e.account.ID, MerchantID: e.account.MerchantID, State: t.State,
		SecurityVersion: e.account.SecurityVersion, SecondFactor: e.secondFactor,
		CreatedAt: now, ExpiresAt: now.Add(lifeOf(t.State)), DeviceHash: e.device,
	}
	t.Token, err = s.insertSession(ctx, tx, session, e.from)
	return t, newDevice, err
}

// insertSession gives the session a new token.
func (s *Service) insertSession(ctx context.Context, tx controlplane.Tx, session controlplane.Session, from Origin) (token controlplane.Secret, err error) {
	now := s.now()
	if session.ID, token, session.SecretHash, err = newSessionToken(now, s.random); err != nil {
		return token, err
	}
	session.LastSeenAt = now
	session.IP, session.UserAgent = from.IP.Unmap().WithZone(""), controlplane.CleanText(from.UserAgent)
	if err := tx.InsertSession(ctx, session); err != nil {
		return token, err
	}
	return token, dropOldest(ctx, tx, session)
}

// dropOldest keeps the number of an account's sessions bounded. Unfinished ones
// are counted apart: who knows no more than the password must not be able to push
// the owner's sessions out.
func dropOldest(ctx context.Context, tx controlplane.Tx, session controlplane.Session) error {
	all, err := tx.Sessions(ctx, session.AccountID)
	if err != nil {
		return err
	}
	finished := func(one controlplane.Session) bool { return one.State == controlplane.SessionActive }
	others := slices.DeleteFunc(all, func(one controlplane.Session) bool {
		return one.ID == session.ID || finished(one) != finished(session)
	})
	for i := range len(others) - (maxSessions - 1) {
		if err := tx.DeleteSession(ctx, session.AccountID, others[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// knowDevice remembers the browser, and gives it a token if it has none.
func (s *Service) knowDevice(ctx context.Context, tx controlplane.Tx, e *entry) (token controlplane.Secret, isNew bool, err error) {
	if e.device == ([32]byte{}) {
		if token, e.device, err = newToken(s.random); err != nil {
			return token, false, err
		}
	}
	now := s.now()
	_, err = tx.Device(ctx, e.account.ID, e.device)
	isNew = errors.Is(err, controlplane.ErrNotFound)
	if err != nil && !isNew {
		return token, false, err
	}
	return token, isNew, tx.PutDevice(ctx, controlplane.Device{
		AccountID: e.account.ID, TokenHash: e.device, CreatedAt: now, LastSeenAt: now,
		IP: e.from.IP.Unmap().WithZone(""), UserAgent: controlplane.CleanText(e.from.UserAgent),
	})
}

// seen keeps in memory when sessions were last used, so that looking at a page
// does not write to the database.
type seen struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (s *seen) note(session controlplane.Session, now time.Time) {
	if now.Sub(session.LastSeenAt) < seenEvery {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.at[session.ID]) {
		s.at[session.ID] = now
	}
}

func (s *seen) last(session controlplane.Session) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.at[session.ID]; at.After(session.LastSeenAt) {
		return at
	}
	return session.LastSeenAt
}

// Flush writes down when sessions were last used. The server calls it every few
// seconds and at its end; what is lost with a crash shortens an idle session.
func (s *Service) Flush(ctx context.Context) error {
	s.seen.mu.Lock()
	var all []controlplane.SessionSeen
	for id, at := range s.seen.at {
		all = append(all, controlplane.SessionSeen{ID: id, At: at})
	}
	s.seen.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	_, err := inTx(ctx, s, func(tx controlplane.Tx) (struct{}, error) { return struct{}{}, tx.SaveSessionsSeen(ctx, all) })
	if err != nil {
		return err
	}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	for _, one := range all {
		if !s.seen.at[one.ID].After(one.At) {
			delete(s.seen.at, one.ID)
		}
	}
	return nil
}
