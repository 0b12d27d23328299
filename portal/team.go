package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// usersPerPage keeps a full page under its weight.
const usersPerPage = 50

// teamPage lists who can sign in. It changes nothing: users are made and disabled
// by the platform team.
type teamPage struct {
	Users []userRow
	More  string
}

type userRow struct {
	controlplane.User
	State badge
	// Self: it is the reader.
	Self bool
}

func showTeam(x *exchange) error {
	users, err := x.service.ListUsers(x.ctx(), x.actor(), controlplane.UserFilter{
		MerchantID: x.session.MerchantID, Page: controlplane.Page{After: x.query("after"), Limit: usersPerPage + 1},
	})
	if err != nil {
		return err
	}
	page := teamPage{}
	if len(users) > usersPerPage {
		users = users[:usersPerPage]
		page.More = x.here("after", users[usersPerPage-1].ID)
	}
	for _, u := range users {
		page.Users = append(page.Users, userRow{u, x.userBadge(u), u.ID == x.session.UserID})
	}
	return x.render(http.StatusOK, "team", page)
}

func (x *exchange) userBadge(u controlplane.User) badge {
	p := u.Password
	switch {
	case u.Disabled:
		return badge{"bad", "user.state.disabled"}
	case p.MustChange && !p.ExpiresAt.IsZero() && !x.clock().Before(p.ExpiresAt):
		return badge{"bad", "user.state.expired"}
	case p.MustChange:
		return badge{"warn", "user.state.invited"}
	}
	return badge{"good", "user.state.active"}
}

// rolesPage is the permission table as far as it concerns the readers.
type rolesPage struct {
	Roles []controlplane.Role
	Rows  []rightRow
}

// rightRow is what one operation allows each role of rolesPage.
type rightRow struct {
	Operation controlplane.Operation
	Sudo      bool
	Allowed   []right
}

type right struct {
	Role    controlplane.Role
	Allowed bool
}

func showRoles(x *exchange) error {
	page := rolesPage{Roles: x.roles}
	for _, p := range controlplane.Permissions() {
		row, anyone, all := rightRow{Operation: p.Operation, Sudo: p.Sudo}, false, true
		for _, role := range page.Roles {
			row.Allowed = append(row.Allowed, right{role, p.Allows(role)})
			anyone, all = anyone || p.Allows(role), all && p.Allows(role)
		}
		// What all of the staff may, one sentence of the page says.
		if anyone && x.table.serves(p.Operation) && !(all && x.staff) {
			page.Rows = append(page.Rows, row)
		}
	}
	return x.render(http.StatusOK, "roles", page)
}
