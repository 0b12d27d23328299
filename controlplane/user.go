package controlplane

import (
	"strings"
	"time"
)

// Role is what an actor may do; the permission table says exactly what.
type Role string

// Roles of a merchant's users.
const (
	RoleOwner    Role = "owner"
	RoleAdmin    Role = "admin"
	RoleOperator Role = "operator"
	RoleViewer   Role = "viewer"
)

// Roles of the platform team's staff.
const (
	RolePlatformAdmin    Role = "platform_admin"
	RolePlatformOperator Role = "platform_operator"
	RoleAuditor          Role = "auditor"
)

// RoleLocal is whoever may open the admin socket or the database file: the
// operator of the machine. The file's mode is what authenticates them.
const RoleLocal Role = "local"

// User signs in to the portal for one merchant.
type User struct {
	ID         string `json:"id"`
	MerchantID string `json:"merchant_id"`
	// Username is unique over all merchants, in the form [NormalizeUsername] gives.
	Username string   `json:"username"`
	Email    string   `json:"email,omitempty"`
	Role     Role     `json:"role"`
	Disabled bool     `json:"disabled"`
	Password Password `json:"password"`
	// SecurityVersion goes up whenever what protects the account changes; a
	// session made under a lower one is dead.
	SecurityVersion int64     `json:"-"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
}

// Staff is a member of the platform team.
type Staff struct {
	ID              string    `json:"id"`
	Username        string    `json:"username"`
	Email           string    `json:"email,omitempty"`
	Role            Role      `json:"role"`
	Disabled        bool      `json:"disabled"`
	Password        Password  `json:"password"`
	SecurityVersion int64     `json:"-"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
}

// Password is how an account's password stands. The hash never leaves the server.
type Password struct {
	Hash Secret `json:"-"`
	// MustChange forces a new password at the next sign-in.
	MustChange bool      `json:"must_change"`
	ChangedAt  time.Time `json:"changed_at"`
	// ExpiresAt is when an initial password that nobody used dies; zero: never.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// UserFilter selects users of one merchant.
type UserFilter struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	Page
}

// NormalizeUsername is applied once, before look-up and before throttling, so
// that every spelling of a name shares one account and one throttle bucket.
func NormalizeUsername(s string) string {
	return strings.ToLower(strings.TrimSpace(s))
}
