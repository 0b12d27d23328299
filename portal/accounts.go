package portal

import (
	"context"
	"net/netip"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Accounts is what the portal asks about people and their sessions. Every method
// that takes a token acts for the session of that token and nobody else.
type Accounts interface {
	// Session returns the session of a token; an unknown, ended or expired one is
	// the zero Session without an error.
	Session(ctx context.Context, token controlplane.Secret, from Origin) (Session, error)

	SignIn(ctx context.Context, in Credentials, from Origin) (Ticket, error)
	Code(ctx context.Context, token, code controlplane.Secret, from Origin) (Ticket, error)
	RecoveryCode(ctx context.Context, token, code controlplane.Secret, from Origin) (Ticket, error)
	ChangePassword(ctx context.Context, token, current, next controlplane.Secret, from Origin) (Ticket, error)
	Confirm(ctx context.Context, token, password, code controlplane.Secret, from Origin) (Ticket, error)
	SignOut(ctx context.Context, token controlplane.Secret, from Origin) error

	Factor(ctx context.Context, token controlplane.Secret) (Factor, error)
	BeginEnrolment(ctx context.Context, token controlplane.Secret, from Origin) (Enrolment, error)
	FinishEnrolment(ctx context.Context, token, code controlplane.Secret, from Origin) (Ticket, []controlplane.Secret, error)
	RemoveFactor(ctx context.Context, token controlplane.Secret, from Origin) (Ticket, error)
	NewRecoveryCodes(ctx context.Context, token controlplane.Secret, from Origin) ([]controlplane.Secret, error)

	Sessions(ctx context.Context, token controlplane.Secret) ([]OpenSession, error)
	EndSession(ctx context.Context, token controlplane.Secret, id string, from Origin) error
	EndOtherSessions(ctx context.Context, token controlplane.Secret, from Origin) error
	SignIns(ctx context.Context, token controlplane.Secret) ([]SignInRecord, error)
}

// Origin is where a request comes from, for throttling and for the trail.
type Origin struct {
	IP        netip.Addr
	UserAgent string
	RequestID string
}

// Credentials are what the first form takes, and what says that the browser is
// known already.
type Credentials struct {
	Username string
	Password controlplane.Secret
	Device   controlplane.Secret
}

// Ticket is what a step of the sign-in hands to the browser.
type Ticket struct {
	// Token for the session cookie; zero: the one it has still holds.
	Token controlplane.Secret
	// Device for the long-lived cookie that makes a browser known; zero: none.
	Device controlplane.Secret
	State  State
}

// Factor is how the second factor of an account stands.
type Factor struct {
	Enrolled bool
	Since    time.Time
	// Pending: an enrolment was begun and waits for its first code.
	Pending bool
	// CodesLeft is the number of recovery codes that were not used.
	CodesLeft int
	// Required: the merchant's policy does not allow to be without.
	Required bool
}

// Enrolment is what an authenticator app needs.
type Enrolment struct {
	URI    controlplane.Secret
	Secret controlplane.Secret
}

// OpenSession is one signed-in browser.
type OpenSession struct {
	ID        string
	Current   bool
	UserAgent string
	IP        netip.Addr
	StartedAt time.Time
	SeenAt    time.Time
}

// SignInRecord is one attempt to sign in.
type SignInRecord struct {
	At        time.Time
	OK        bool
	IP        netip.Addr
	UserAgent string
}
