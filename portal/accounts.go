package portal

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
)

// Accounts is what the portal asks about people and their sessions;
// [account.Service] is it. Every method that takes a token acts for the session of
// that token and nobody else.
type Accounts interface {
	Session(ctx context.Context, token controlplane.Secret) (account.Standing, error)

	SignIn(ctx context.Context, in account.Credentials, from account.Origin) (account.Ticket, error)
	Code(ctx context.Context, token, code controlplane.Secret, from account.Origin) (account.Ticket, error)
	RecoveryCode(ctx context.Context, token, code controlplane.Secret, from account.Origin) (account.Ticket, error)
	ChangePassword(ctx context.Context, token, present, next controlplane.Secret, from account.Origin) (account.Ticket, error)
	Confirm(ctx context.Context, token, password, code controlplane.Secret, from account.Origin) (account.Ticket, error)
	SignOut(ctx context.Context, token controlplane.Secret, from account.Origin) error

	Factor(ctx context.Context, token controlplane.Secret) (account.Factor, error)
	BeginEnrolment(ctx context.Context, token controlplane.Secret, from account.Origin) (account.Enrolment, error)
	FinishEnrolment(ctx context.Context, token, code controlplane.Secret, from account.Origin) (account.Ticket, []controlplane.Secret, error)
	RemoveFactor(ctx context.Context, token controlplane.Secret, from account.Origin) (account.Ticket, error)
	NewRecoveryCodes(ctx context.Context, token controlplane.Secret, from account.Origin) ([]controlplane.Secret, error)

	Sessions(ctx context.Context, token controlplane.Secret) ([]account.OpenSession, error)
	EndSession(ctx context.Context, token controlplane.Secret, id string, from account.Origin) error
	EndOtherSessions(ctx context.Context, token controlplane.Secret, from account.Origin) error
	SignIns(ctx context.Context, token controlplane.Secret) ([]controlplane.SignIn, error)
}

var _ Accounts = (*account.Service)(nil)
