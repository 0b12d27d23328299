package portal

import (
	"context"
	"net/netip"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// seats answers for accounts from a map of sessions by token.
type seats map[string]Session

var wrong = controlplane.Errorf(controlplane.CodeDenied, "wrong")

func secrets(texts ...string) (out []controlplane.Secret) {
	for _, t := range texts {
		out = append(out, controlplane.NewSecret(t))
	}
	return out
}

func (s seats) Session(_ context.Context, token controlplane.Secret, _ Origin) (Session, error) {
	return s[token.Reveal()], nil
}
func (s seats) SignIn(_ context.Context, in Credentials, _ Origin) (Ticket, error) {
	if seat, found := s[in.Password.Reveal()]; found {
		return Ticket{Token: in.Password, State: seat.State}, nil
	}
	return Ticket{}, wrong
}
func (s seats) Code(context.Context, controlplane.Secret, controlplane.Secret, Origin) (Ticket, error) {
	return Ticket{}, wrong
}
func (s seats) RecoveryCode(context.Context, controlplane.Secret, controlplane.Secret, Origin) (Ticket, error) {
	return Ticket{}, wrong
}
func (s seats) ChangePassword(context.Context, controlplane.Secret, controlplane.Secret, controlplane.Secret, Origin) (Ticket, error) {
	return Ticket{}, wrong
}
func (s seats) Confirm(context.Context, controlplane.Secret, controlplane.Secret, controlplane.Secret, Origin) (Ticket, error) {
	return Ticket{}, wrong
}
func (s seats) SignOut(context.Context, controlplane.Secret, Origin) error { return nil }
func (s seats) Factor(_ context.Context, token controlplane.Secret) (Factor, error) {
	return Factor{Enrolled: s[token.Reveal()].SecondFactor, CodesLeft: 7}, nil
}
func (s seats) BeginEnrolment(context.Context, controlplane.Secret, Origin) (Enrolment, error) {
	return Enrolment{
		URI:    controlplane.NewSecret("otpauth://totp/UnknownPay:mali?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=UnknownPay"),
		Secret: controlplane.NewSecret("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
	}, nil
}
func (s seats) FinishEnrolment(context.Context, controlplane.Secret, controlplane.Secret, Origin) (Ticket, []controlplane.Secret, error) {
	return Ticket{}, secrets("a", "b"), nil
}
func (s seats) RemoveFactor(context.Context, controlplane.Secret, Origin) (Ticket, error) {
	return Ticket{}, nil
}
func (s seats) NewRecoveryCodes(context.Context, controlplane.Secret, Origin) ([]controlplane.Secret, error) {
	return secrets("a", "b"), nil
}
func (s seats) Sessions(context.Context, controlplane.Secret) ([]OpenSession, error) {
	return []OpenSession{{ID: "1", Current: true, UserAgent: "Mozilla/5.0 (X11; Linux x86_64) Chrome/1", IP: netip.MustParseAddr("198.51.100.7")}, {ID: "2"}}, nil
}
func (s seats) EndSession(context.Context, controlplane.Secret, string, Origin) error { return nil }
func (s seats) EndOtherSessions(context.Context, controlplane.Secret, Origin) error   { return nil }
func (s seats) SignIns(context.Context, controlplane.Secret) ([]SignInRecord, error) {
	return []SignInRecord{{OK: true}}, nil
}
