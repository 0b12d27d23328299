package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// merchantAllowlistPage is the allowlist of one merchant, for staff.
type merchantAllowlistPage struct {
	merchantRow
	Tabs    []link
	Entries []controlplane.AllowlistEntry
	MayEdit bool
	Empty   empty
}

func (p merchantAllowlistPage) title() (string, []any) {
	return "merchants.allowlist.title", []any{"name", p.Name}
}

func showMerchantAllowlist(x *exchange) error {
	m, err := x.pathMerchant()
	if err != nil {
		return err
	}
	entries, err := x.service.ListAllowlist(x.ctx(), x.actor(), m.ID)
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "merchants.allowlist", merchantAllowlistPage{
		merchantRow: x.merchantRow(m), Tabs: x.merchantTabs(m), Entries: entries, MayEdit: x.offers("merchants.allowlist.new.submit"),
		Empty: empty{"list", "allowlist.none", "merchants.allowlist.none.next"},
	})
}

func allowlistActs() []act {
	return []act{
		{name: "merchants.allowlist.new", path: "/merchants/{id}/allowlist/new", operation: controlplane.OpAllowlistAdd, find: findAllowlist, ask: askEntry, run: addEntry, eyes: true},
		{name: "merchants.allowlist.remove", path: "/merchants/{id}/allowlist/{eid}/remove", operation: controlplane.OpAllowlistRemove, find: findEntry, run: removeEntry, stops: true, eyes: true},
		{name: "merchants.allowlist.note", path: "/merchants/{id}/allowlist/{eid}/note", operation: controlplane.OpAllowlistNote, find: findEntry, ask: askNote, run: setNote},
		{name: "merchants.wishes.approve", path: "/merchants/{id}/allowlist/requests/{rid}/approve", operation: controlplane.OpAllowlistApprove, find: findRequest, run: approveRequest, eyes: true},
		{name: "merchants.wishes.reject", path: "/merchants/{id}/allowlist/requests/{rid}/reject", operation: controlplane.OpAllowlistReject, find: findRequest, ask: askAnswer, run: rejectRequest},
	}
}

func findAllowlist(x *exchange) (subject, error) {
	s, err := findMerchant(x)
	s.Back = x.at("merchants.allowlist", s.merchant.ID)
	return s, err
}

// findEntry is the allowlist entry that the address names.
func findEntry(x *exchange) (subject, error) {
	s, err := findAllowlist(x)
	if err != nil {
		return s, err
	}
	entries, err := x.service.ListAllowlist(x.ctx(), x.actor(), s.merchant.ID)
	for _, e := range entries {
		if e.ID == x.r.PathValue("eid") {
			s.entry, s.Name = e, e.Prefix.String()
			s.Simulation, err = x.simulate(controlplane.SimulateAllowlist{MerchantID: s.merchant.ID, Remove: []string{e.ID}})
			return s, err
		}
	}
	if err == nil {
		err = controlplane.Errorf(controlplane.CodeNotFound, "no such entry")
	}
	return s, err
}

func askEntry(x *exchange, _ subject) []field {
	return []field{
		{Name: "cidr", Label: "field.cidr", Hint: "field.cidr.hint", Value: x.typed("cidr", ""), Autocomplete: "off", Required: true, MaxLength: maxCIDRInput, Focus: true},
		{Name: "note", Label: "column.note", Hint: "field.note.hint", Value: x.typed("note", ""), Autocomplete: "off", Required: true, MaxLength: maxReasonInput},
	}
}

func addEntry(x *exchange, s subject) error {
	_, err := x.service.AddAllowlistEntry(x.ctx(), x.actor(), controlplane.AddAllowlistEntry{
		MerchantID: s.merchant.ID, CIDR: x.value("cidr"), Note: x.value("note"),
	})
	if err != nil {
		return err
	}
	return x.doneTo("entry_added", s.Back)
}

func askNote(x *exchange, s subject) []field {
	return []field{{Name: "note", Label: "column.note", Hint: "field.note.hint", Value: x.typed("note", s.entry.Note), Autocomplete: "off", Required: true, MaxLength: maxReasonInput, Focus: true}}
}

func setNote(x *exchange, s subject) error {
	_, err := x.service.SetAllowlistNote(x.ctx(), x.actor(), controlplane.SetAllowlistNote{MerchantID: s.merchant.ID, EntryID: s.entry.ID, Note: x.value("note")})
	if err != nil {
		return err
	}
	return x.doneTo("saved", s.Back)
}

func removeEntry(x *exchange, s subject) error {
	_, err := x.service.RemoveAllowlistEntry(x.ctx(), x.actor(), controlplane.RemoveAllowlistEntry{MerchantID: s.merchant.ID, EntryID: s.entry.ID})
	if err != nil {
		return err
	}
	return x.doneTo("entry_removed", s.Back)
}
