package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// merchantUserPage is one user of a merchant, with what staff can do for them.
type merchantUserPage struct {
	controlplane.UserView
	Merchant controlplane.Merchant
	Badge    badge
	Back     string
	Acts     []link
}

func (p merchantUserPage) title() (string, []any) {
	return "merchants.user.title", []any{"name", p.Username}
}

func showMerchantUser(x *exchange) error {
	s, err := findUser(x)
	if err != nil {
		return err
	}
	page := merchantUserPage{UserView: s.user, Merchant: s.merchant, Badge: x.userBadge(s.user.User), Back: x.at("merchants.merchant", s.merchant.ID)}
	for _, name := range []string{"password", "factor", "role", "signout", "disable", "enable"} {
		if name == "factor" && !s.user.SecondFactor || name == "disable" && s.user.Disabled || name == "enable" && !s.user.Disabled {
			continue
		}
		if name = "merchants.user." + name; x.offers(name + ".submit") {
			page.Acts = append(page.Acts, link{Href: x.at(name, s.merchant.ID, s.user.ID), Name: name})
		}
	}
	return x.render(http.StatusOK, "merchants.user", page)
}

func userActs() []act {
	const path = "/merchants/{id}/users/{uid}/"
	return []act{
		{name: "merchants.users.new", path: "/merchants/{id}/users/new", operation: controlplane.OpUserCreate, find: findMerchant, ask: askUser, run: createUser, once: true, eyes: true},
		{name: "merchants.user.password", path: path + "password", operation: controlplane.OpUserResetPassword, find: findUser, run: resetUserPassword, once: true, stops: true},
		{name: "merchants.user.factor", path: path + "factor", operation: controlplane.OpUserResetSecondFactor, find: findUser, run: resetUserFactor, stops: true, eyes: true},
		{name: "merchants.user.role", path: path + "role", operation: controlplane.OpUserRole, find: findUser, ask: askUserRole, run: setUserRole, eyes: true},
		{name: "merchants.user.signout", path: path + "sign-out", operation: controlplane.OpUserSignOut, find: findUser, run: signOutUser},
		{name: "merchants.user.disable", path: path + "disable", operation: controlplane.OpUserDisable, find: findUser, run: disableUser, stops: true},
		{name: "merchants.user.enable", path: path + "enable", operation: controlplane.OpUserEnable, find: findUser, run: enableUser},
	}
}

// findUser is the user that the address names.
func findUser(x *exchange) (subject, error) {
	s, err := findMerchant(x)
	if err != nil {
		return s, err
	}
	s.user, err = x.service.User(x.ctx(), x.actor(), controlplane.UserRef{MerchantID: s.merchant.ID, UserID: x.r.PathValue("uid")})
	s.Name, s.Back = s.user.Username, x.at("merchants.user", s.merchant.ID, s.user.ID)
	return s, err
}

func merchantRoleList() []controlplane.Role {
	return []controlplane.Role{controlplane.RoleOwner, controlplane.RoleAdmin, controlplane.RoleOperator, controlplane.RoleViewer}
}

func askUser(x *exchange, _ subject) []field {
	return []field{x.usernameField(), x.emailField(), x.roleField(controlplane.RoleViewer, merchantRoleList()...)}
}

func createUser(x *exchange, s subject) error {
	return x.revealPassword(s.Back, func() (controlplane.NewAccount, error) {
		return x.service.CreateUser(x.ctx(), x.actor(), controlplane.CreateUser{
			MerchantID: s.merchant.ID, Username: x.value("username"), Email: x.value("email"), Role: controlplane.Role(x.value("role")),
		})
	})
}

func resetUserPassword(x *exchange, s subject) error {
	return x.revealPassword(s.Back, func() (controlplane.NewAccount, error) {
		return x.service.ResetUserPassword(x.ctx(), x.actor(), s.merchant.ID, s.user.ID)
	})
}

func resetUserFactor(x *exchange, s subject) error {
	if _, err := x.service.ResetUserSecondFactor(x.ctx(), x.actor(), s.merchant.ID, s.user.ID); err != nil {
		return err
	}
	return x.doneTo("factor_reset", s.Back)
}

func askUserRole(x *exchange, s subject) []field {
	return []field{x.roleField(s.user.Role, merchantRoleList()...)}
}

func setUserRole(x *exchange, s subject) error {
	_, err := x.service.SetUserRole(x.ctx(), x.actor(), controlplane.SetUserRole{
		MerchantID: s.merchant.ID, UserID: s.user.ID, Role: controlplane.Role(x.value("role")),
	})
	if err != nil {
		return err
	}
	return x.doneTo("role_changed", s.Back)
}

func signOutUser(x *exchange, s subject) error {
	if _, err := x.service.SignOutUser(x.ctx(), x.actor(), s.merchant.ID, s.user.ID); err != nil {
		return err
	}
	return x.doneTo("signed_out_everywhere", s.Back)
}

func disableUser(x *exchange, s subject) error {
	if _, err := x.service.DisableUser(x.ctx(), x.actor(), s.merchant.ID, s.user.ID); err != nil {
		return err
	}
	return x.doneTo("account_disabled", s.Back)
}

func enableUser(x *exchange, s subject) error {
	if _, err := x.service.EnableUser(x.ctx(), x.actor(), s.merchant.ID, s.user.ID); err != nil {
		return err
	}
	return x.doneTo("account_enabled", s.Back)
}
