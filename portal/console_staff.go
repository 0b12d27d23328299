package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// staffPage lists the platform team.
type staffPage struct {
	Members []staffRow
	MayAdd  bool
	More    string
}

type staffRow struct {
	controlplane.StaffView
	Badge badge
	Href  string
	// Self: it is the reader.
	Self bool
}

func (x *exchange) staffRow(v controlplane.StaffView) staffRow {
	state := x.userBadge(controlplane.User{Disabled: v.Disabled, Password: v.Password})
	return staffRow{v, state, x.at("staff.member", v.ID), v.ID == x.session.UserID}
}

func showStaff(x *exchange) error {
	found, err := x.service.ListStaff(x.ctx(), x.actor(), controlplane.Page{After: x.query("after"), Limit: usersPerPage + 1})
	if err != nil {
		return err
	}
	page := staffPage{MayAdd: x.offers("staff.new.submit")}
	if len(found) > usersPerPage {
		found = found[:usersPerPage]
		page.More = x.here("after", found[usersPerPage-1].ID)
	}
	for _, v := range found {
		page.Members = append(page.Members, x.staffRow(v))
	}
	return x.render(http.StatusOK, "staff", page)
}

// memberPage is one member of staff, with what a platform admin can do for them.
type memberPage struct {
	staffRow
	Acts []link
}

func (p memberPage) title() (string, []any) { return "staff.member.title", []any{"name", p.Username} }

func showStaffMember(x *exchange) error {
	s, err := findMember(x)
	if err != nil {
		return err
	}
	page := memberPage{staffRow: x.staffRow(s.member)}
	for _, name := range []string{"password", "factor", "role", "signout", "disable", "enable"} {
		if page.Self || name == "factor" && !s.member.SecondFactor || name == "disable" && s.member.Disabled || name == "enable" && !s.member.Disabled {
			continue
		}
		if name = "staff." + name; x.offers(name + ".submit") {
			page.Acts = append(page.Acts, link{Href: x.at(name, s.member.ID), Name: name})
		}
	}
	return x.render(http.StatusOK, "staff.member", page)
}

func staffActs() []act {
	const path = "/staff/{id}/"
	return []act{
		{name: "staff.new", path: "/staff/new", operation: controlplane.OpStaffCreate, find: findNothing("staff"), ask: askMember, run: createMember, once: true, eyes: true},
		{name: "staff.password", path: path + "password", operation: controlplane.OpStaffResetPassword, find: findMember, run: resetMemberPassword, once: true, stops: true},
		{name: "staff.factor", path: path + "factor", operation: controlplane.OpStaffResetSecondFactor, find: findMember, run: resetMemberFactor, stops: true, eyes: true},
		{name: "staff.role", path: path + "role", operation: controlplane.OpStaffRole, find: findMember, ask: askMemberRole, run: setMemberRole, eyes: true},
		{name: "staff.signout", path: path + "sign-out", operation: controlplane.OpStaffSignOut, find: findMember, run: signOutMember},
		{name: "staff.disable", path: path + "disable", operation: controlplane.OpStaffDisable, find: findMember, run: disableMember, stops: true},
		{name: "staff.enable", path: path + "enable", operation: controlplane.OpStaffEnable, find: findMember, run: enableMember, eyes: true},
	}
}

// findMember is the member of staff that the address names.
func findMember(x *exchange) (subject, error) {
	v, err := x.service.StaffMember(x.ctx(), x.actor(), controlplane.StaffRef{StaffID: x.r.PathValue("id")})
	return subject{Name: v.Username, Back: x.at("staff.member", v.ID), member: v}, err
}

func askMember(x *exchange, _ subject) []field {
	return []field{x.usernameField(), x.emailField(), x.roleField(controlplane.RolePlatformOperator, x.roles...)}
}

func createMember(x *exchange, s subject) error {
	return x.revealPassword(s.Back, func() (controlplane.NewAccount, error) {
		return x.service.CreateStaff(x.ctx(), x.actor(), controlplane.CreateStaff{
			Username: x.value("username"), Email: x.value("email"), Role: controlplane.Role(x.value("role")),
		})
	})
}

func resetMemberPassword(x *exchange, s subject) error {
	return x.revealPassword(s.Back, func() (controlplane.NewAccount, error) {
		return x.service.ResetStaffPassword(x.ctx(), x.actor(), s.member.ID)
	})
}

func resetMemberFactor(x *exchange, s subject) error {
	if _, err := x.service.ResetStaffSecondFactor(x.ctx(), x.actor(), s.member.ID); err != nil {
		return err
	}
	return x.doneTo("factor_reset", s.Back)
}

func askMemberRole(x *exchange, s subject) []field {
	return []field{x.roleField(s.member.Role, x.roles...)}
}

func setMemberRole(x *exchange, s subject) error {
	_, err := x.service.SetStaffRole(x.ctx(), x.actor(), controlplane.SetStaffRole{StaffID: s.member.ID, Role: controlplane.Role(x.value("role"))})
	if err != nil {
		return err
	}
	return x.doneTo("role_changed", s.Back)
}

func signOutMember(x *exchange, s subject) error {
	if _, err := x.service.SignOutStaff(x.ctx(), x.actor(), s.member.ID); err != nil {
		return err
	}
	return x.doneTo("signed_out_everywhere", s.Back)
}

func disableMember(x *exchange, s subject) error {
	if _, err := x.service.DisableStaff(x.ctx(), x.actor(), s.member.ID); err != nil {
		return err
	}
	return x.doneTo("account_disabled", s.Back)
}

func enableMember(x *exchange, s subject) error {
	if _, err := x.service.EnableStaff(x.ctx(), x.actor(), s.member.ID); err != nil {
		return err
	}
	return x.doneTo("account_enabled", s.Back)
}
