package portal

import (
	"net/http"
	"slices"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// tokensPage lists the tokens with which backends hand events in.
type tokensPage struct {
	Tokens  []tokenRow
	MayMake bool
	Empty   empty
}

type tokenRow struct {
	controlplane.ServiceToken
	Badge badge
	Href  string
}

// Works: it was not revoked.
func (r tokenRow) Works() bool { return r.RevokedAt.IsZero() }

func showTokens(x *exchange) error {
	found, err := x.service.ListServiceTokens(x.ctx(), x.actor())
	if err != nil {
		return err
	}
	page := tokensPage{MayMake: x.offers("tokens.new.submit"), Empty: empty{"key", "tokens.none", "tokens.none.next"}}
	for _, t := range found {
		row := tokenRow{t, badge{"good", "token.works"}, x.at("tokens.revoke", t.ID)}
		if !row.Works() {
			row.Badge = badge{"", "token.revoked"}
		}
		page.Tokens = append(page.Tokens, row)
	}
	return x.render(http.StatusOK, "tokens", page)
}

func tokenActs() []act {
	return []act{
		{name: "tokens.new", path: "/tokens/new", operation: controlplane.OpServiceTokenIssue, find: findNothing("tokens"), ask: askToken, run: issueToken, once: true},
		{name: "tokens.revoke", path: "/tokens/{id}/revoke", operation: controlplane.OpServiceTokenRevoke, find: findToken, run: revokeToken, stops: true},
	}
}

func findToken(x *exchange) (subject, error) {
	all, err := x.service.ListServiceTokens(x.ctx(), x.actor())
	if err != nil {
		return subject{}, err
	}
	i := slices.IndexFunc(all, func(t controlplane.ServiceToken) bool { return t.ID == x.r.PathValue("id") })
	if i < 0 {
		return subject{}, controlplane.Errorf(controlplane.CodeNotFound, "no such token")
	}
	return subject{Name: all[i].Name, Back: x.at("tokens"), token: all[i]}, nil
}

func askToken(x *exchange, _ subject) []field {
	return []field{{
		Name: "name", Label: "field.token_name", Hint: "field.token_name.hint", Value: x.typed("name", ""), Autocomplete: "off", Required: true, MaxLength: maxReasonInput, Focus: true,
	}}
}

// newTokenPage shows a token, this once.
type newTokenPage struct{ Name, Token string }

func issueToken(x *exchange, s subject) error {
	issued, first, err := revealOnce(x, func() (controlplane.IssuedServiceToken, error) {
		return x.service.IssueServiceToken(x.ctx(), x.actor(), controlplane.IssueServiceToken{Name: x.value("name")})
	})
	switch {
	case err != nil:
		return err
	case !first:
		return x.render(http.StatusConflict, "shown", shownPage{s.Back})
	}
	return x.render(http.StatusOK, "tokens.shown", newTokenPage{issued.Token.Name, issued.Secret.Reveal()})
}

func revokeToken(x *exchange, s subject) error {
	if _, err := x.service.RevokeServiceToken(x.ctx(), x.actor(), s.token.ID); err != nil {
		return err
	}
	return x.doneTo("token_revoked", s.Back)
}
