package account

import (
	"context"
	"errors"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// How long what is not needed any more is kept.
const (
	deviceLife  = 180 * 24 * time.Hour
	historyLife = 90 * 24 * time.Hour
	historyRows = 100
)

// OpenSession is one signed-in browser.
type OpenSession struct {
	controlplane.Session
	// Current: it is the one that asks.
	Current bool
}

// Sessions lists the account's sessions that hold, oldest first.
func (s *Service) Sessions(ctx context.Context, token controlplane.Secret) ([]OpenSession, error) {
	st, err := s.admit(ctx, token, active(false))
	if err != nil {
		return nil, err
	}
	return inView(ctx, s, func(tx controlplane.Tx) ([]OpenSession, error) {
		all, err := tx.Sessions(ctx, st.Account.ID)
		if err != nil {
			return nil, err
		}
		var open []OpenSession
		for _, one := range all {
			if s.ended(one, s.now()) || one.SecurityVersion != st.Account.SecurityVersion || one.State != controlplane.SessionActive {
				continue
			}
			one.LastSeenAt = s.seen.last(one)
			open = append(open, OpenSession{one, one.ID == st.Session.ID})
		}
		return open, nil
	})
}

// EndSession ends one of the account's sessions. CodeNotFound for every other.
func (s *Service) EndSession(ctx context.Context, token controlplane.Secret, id string, from Origin) error {
	return s.endSessions(ctx, token, from, func(tx controlplane.Tx, st Standing) error {
		err := tx.DeleteSession(ctx, st.Account.ID, id)
		if errors.Is(err, controlplane.ErrNotFound) {
			return controlplane.Errorf(controlplane.CodeNotFound, "no such session; it may have ended already")
		}
		return err
	})
}

// EndOtherSessions ends all but the one that asks.
func (s *Service) EndOtherSessions(ctx context.Context, token controlplane.Secret, from Origin) error {
	return s.endSessions(ctx, token, from, func(tx controlplane.Tx, st Standing) error {
		all, err := tx.Sessions(ctx, st.Account.ID)
		if err != nil {
			return err
		}
		for _, one := range all {
			if one.ID == st.Session.ID {
				continue
			}
			if err := tx.DeleteSession(ctx, st.Account.ID, one.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) endSessions(ctx context.Context, token controlplane.Secret, from Origin, end func(controlplane.Tx, Standing) error) error {
	n := active(false)
	st, err := s.admit(ctx, token, n)
	if err != nil {
		return err
	}
	_, err = inTx(ctx, s, func(tx controlplane.Tx) (struct{}, error) {
		st, err := s.again(ctx, tx, st, n)
		if err != nil {
			return struct{}{}, err
		}
		if err := end(tx, st); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, s.record(ctx, tx, st.Account, from, event{op: controlplane.OpSessionRevoke, outcome: controlplane.OutcomeOK})
	})
	return err
}

// SignOut ends the session of the token, whatever its state. A token that is dead
// already is no error.
func (s *Service) SignOut(ctx context.Context, token controlplane.Secret, from Origin) error {
	st, err := s.Session(ctx, token)
	if err != nil || st.Session.ID == "" {
		return err
	}
	_, err = inTx(ctx, s, func(tx controlplane.Tx) (struct{}, error) {
		err := tx.DeleteSession(ctx, st.Account.ID, st.Session.ID)
		if errors.Is(err, controlplane.ErrNotFound) {
			return struct{}{}, nil
		}
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, s.record(ctx, tx, st.Account, from, event{op: controlplane.OpSignOut, outcome: controlplane.OutcomeOK})
	})
	return err
}

// SignIns lists the account's newest attempts to sign in, failed ones too.
func (s *Service) SignIns(ctx context.Context, token controlplane.Secret) ([]controlplane.SignIn, error) {
	st, err := s.admit(ctx, token, active(false))
	if err != nil {
		return nil, err
	}
	return inView(ctx, s, func(tx controlplane.Tx) ([]controlplane.SignIn, error) {
		return tx.SignIns(ctx, st.Account.ID, historyRows)
	})
}

// Sweep deletes what has ended: sessions, counters, devices unseen for 180 days,
// histories older than 90. The server calls it every few minutes.
func (s *Service) Sweep(ctx context.Context) error {
	if err := s.Flush(ctx); err != nil {
		return err
	}
	_, err := inTx(ctx, s, func(tx controlplane.Tx) (struct{}, error) {
		now := s.now()
		_, sessions := tx.DeleteEndedSessions(ctx, now, now.Add(-idleLimit))
		_, throttles := tx.DeleteEndedThrottles(ctx, now)
		_, devices := tx.DeleteOldDevices(ctx, now.Add(-deviceLife))
		_, signIns := tx.DeleteOldSignIns(ctx, now.Add(-historyLife))
		return struct{}{}, errors.Join(sessions, throttles, devices, signIns)
	})
	return err
}
