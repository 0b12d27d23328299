package outbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Notify puts a notice about an account into the outbox, for the account's own
// address. It fits Parts.Notify of package account.
func Notify(ctx context.Context, tx controlplane.Tx, n controlplane.AccountNotice) error {
	text, known := accountTexts()[n.Kind]
	if !known {
		return fmt.Errorf("outbox: no text for the notice %q", n.Kind)
	}
	facts := []string{n.Username, moment(n.At), n.IP.String()}
	id := fmt.Sprintf("%s:%s:%d", n.Kind, n.AccountID, n.At.UnixMicro())
	return add(ctx, tx, id, n.Email, text, n.At, facts)
}

// NotifyKey tells the owners and admins of a merchant of a change to a key. It
// fits [controlplane.Parts.NotifyKey].
func NotifyKey(ctx context.Context, tx controlplane.Tx, n controlplane.KeyNotice) error {
	text, known := keyTexts()[n.Kind]
	if !known {
		return fmt.Errorf("outbox: no text for the notice %q", n.Kind)
	}
	facts := []string{n.Key.ID, moment(n.At), moment(n.Key.RetireAt)}
	of := fmt.Sprintf("%s:%d", n.Key.ID, n.Key.RetireAt.UnixMicro())
	return tellKeepers(ctx, tx, n.Key.MerchantID, string(n.Kind), of, text, n.At, facts)
}

// NotifyEndpoint tells them what became of a webhook endpoint. It fits
// [controlplane.Parts.NotifyEndpoint].
func NotifyEndpoint(ctx context.Context, tx controlplane.Tx, n controlplane.EndpointNotice) error {
	text, known := endpointTexts()[n.Kind]
	reason := reasonTexts()[n.Endpoint.DisabledReason]
	if !known || n.Kind == controlplane.NoticeEndpointDisabled && reason.en[1] == "" {
		return fmt.Errorf("outbox: no text for the notice %q", n.Kind)
	}
	text.en[1], text.th[1] = text.en[1]+reason.en[1], text.th[1]+reason.th[1]
	facts := []string{n.Endpoint.ID, string(n.Endpoint.Environment), moment(n.At), moment(n.Since), moment(n.PausedUntil)}
	of := n.At
	if !n.Since.IsZero() {
		of = n.Since // whichever node tells of it
	}
	return tellKeepers(ctx, tx, n.Endpoint.MerchantID, "endpoint_"+string(n.Kind), fmt.Sprintf("%s:%d", n.Endpoint.ID, of.UnixMicro()), text, n.At, facts)
}

// tellKeepers tells the owners and admins of a merchant: each once of what of names.
func tellKeepers(ctx context.Context, tx controlplane.Tx, merchantID, kind, of string, t text, at time.Time, facts []string) error {
	users, err := tx.Users(ctx, controlplane.UserFilter{MerchantID: merchantID, Page: controlplane.Page{Limit: 1000}})
	if err != nil {
		return err
	}
	var errs []error
	for _, u := range users {
		if u.Disabled || u.Role != controlplane.RoleOwner && u.Role != controlplane.RoleAdmin {
			continue
		}
		errs = append(errs, add(ctx, tx, kind+":"+u.ID+":"+of, u.Email, t, at, facts))
	}
	return errors.Join(errs...)
}

// stillUsed is how recently a key must have been used for its end to matter, and
// reminder how long before its end people are told.
const (
	stillUsed = 24 * time.Hour
	reminder  = 3 * time.Hour
)

// RemindOfStoppingKeys tells merchants of keys that are still in use and stop
// within three hours. Each end is told once, however often this is called.
func RemindOfStoppingKeys(ctx context.Context, s controlplane.Store, now time.Time) error {
	return s.Update(ctx, func(tx controlplane.Tx) error {
		keys, err := tx.KeysStopping(ctx, now, now.Add(reminder), now.Add(-stillUsed))
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := NotifyKey(ctx, tx, controlplane.KeyNotice{Kind: controlplane.KeyNoticeStopping, Key: k, At: now}); err != nil {
				return err
			}
		}
		return nil
	})
}

// add leaves out people without an address.
func add(ctx context.Context, tx controlplane.Tx, id, to string, t text, at time.Time, facts []string) error {
	if to == "" {
		return nil
	}
	return tx.AddMail(ctx, controlplane.Mail{
		ID: id, To: to, Subject: t.en[0] + " · " + t.th[0], Body: t.body(facts), CreatedAt: at, DueAt: at,
	})
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// text is a notice in both languages: the subject and the sentences. Nobody's
// language is known where a notice is written, and the platform's merchants read
// one of the two.
type text struct{ en, th [2]string }

// body fills {0}, {1} and so on in.
func (t text) body(facts []string) string {
	var pairs []string
	for i, f := range facts {
		pairs = append(pairs, fmt.Sprintf("{%d}", i), f)
	}
	return strings.NewReplacer(pairs...).Replace(t.en[1] + "\n\n" + t.th[1] + "\n\n— UnknownPay\n")
}
