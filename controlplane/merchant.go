package controlplane

import "time"

// MerchantState says whether a merchant's keys work.
type MerchantState string

const (
	MerchantActive MerchantState = "active"
	// MerchantSuspended refuses every key of the merchant and makes the portal
	// read-only for its users.
	MerchantSuspended MerchantState = "suspended"
)

// Merchant is a customer of the platform.
type Merchant struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	State     MerchantState `json:"state"`
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
	// Revision is the control plane's revision that last touched what a gateway
	// knows of this merchant: its state or its allowlist.
	Revision int64 `json:"revision"`
}

// MerchantFilter selects merchants. The zero value selects all.
type MerchantFilter struct {
	// Search matches part of the name, or the whole id.
	Search string        `json:"search,omitempty" validate:"max=100"`
	State  MerchantState `json:"state,omitempty" validate:"omitempty,oneof=active suspended"`
	Page
}

// Page cuts a listing. Listings are ordered by id, newest first for the audit.
type Page struct {
	// After is the id that ended the page before; empty starts at the beginning.
	After string `json:"after,omitempty"`
	// Limit is the number of rows, 1 to 1,000; 0 means 100.
	Limit int `json:"limit,omitempty" validate:"min=0,max=1000"`
}

// Rows returns the number of rows this page asks for.
func (p Page) Rows() int {
	if p.Limit == 0 {
		return 100
	}
	return p.Limit
}
