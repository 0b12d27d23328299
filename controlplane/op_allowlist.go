package controlplane

import (
	"context"
	"errors"
	"net/netip"
)

// AddAllowlistEntry is the input of [Service.AddAllowlistEntry].
type AddAllowlistEntry struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	// CIDR is an address or a range: see [ParseAllowlistCIDR].
	CIDR string `json:"cidr" validate:"required"`
	// Note says whose address it is, for the one who reviews the list in a year.
	Note string `json:"note" validate:"required,note"`
}

// AddAllowlistEntry lets a range use the merchant's keys, live and test.
// CodeLimit beyond [MaxAllowlistEntries], CodeConflict if the range is there.
func (s *Service) AddAllowlistEntry(ctx context.Context, a Actor, in AddAllowlistEntry) (AllowlistEntry, error) {
	r := request{actor: a, op: OpAllowlistAdd, merchantID: in.MerchantID, input: in}
	if err := s.admit(ctx, r); err != nil {
		return AllowlistEntry{}, err
	}
	prefix, err := ParseAllowlistCIDR(in.CIDR, s.rules.AllowPrivateRanges)
	if err != nil {
		return AllowlistEntry{}, err
	}
	id, err := NewID(PrefixEntry, s.now(), s.random)
	if err != nil {
		return AllowlistEntry{}, asError(err)
	}
	e := AllowlistEntry{ID: id, MerchantID: in.MerchantID, Prefix: prefix, Note: in.Note, CreatedAt: s.now(), CreatedBy: a.Name}
	return change(ctx, s, r, func(tx Tx, rec *record) (AllowlistEntry, error) {
		rec.target, rec.diff = e.ID, map[string]Change{"cidr": {To: prefix}, "note": {To: e.Note}}
		return s.insertEntry(ctx, tx, e)
	})
}

// insertEntry adds a range, whoever asked for it, and makes gateways load it.
func (s *Service) insertEntry(ctx context.Context, tx Tx, e AllowlistEntry) (AllowlistEntry, error) {
	entries, err := tx.Allowlist(ctx, e.MerchantID)
	if err != nil {
		return e, err
	}
	if len(entries) >= MaxAllowlistEntries {
		return e, Errorf(CodeLimit, "the allowlist holds %d entries, the maximum; merge ranges or remove one", len(entries))
	}
	added, err := tx.InsertAllowlistEntry(ctx, e)
	if errors.Is(err, ErrDuplicate) {
		return e, Errorf(CodeConflict, "%s is in the allowlist already", e.Prefix)
	}
	if err != nil {
		return e, err
	}
	return added, s.touchMerchant(ctx, tx, e.MerchantID)
}

// deleteEntry takes a range out and makes gateways forget it.
func (s *Service) deleteEntry(ctx context.Context, tx Tx, e AllowlistEntry) error {
	if err := tx.DeleteAllowlistEntry(ctx, e.MerchantID, e.ID); err != nil {
		return err
	}
	return s.touchMerchant(ctx, tx, e.MerchantID)
}

// touchMerchant makes gateways load the merchant's allowlist again.
func (s *Service) touchMerchant(ctx context.Context, tx Tx, merchantID string) error {
	m, err := tx.Merchant(ctx, merchantID)
	if err != nil {
		return orNotFound(err, "merchant", merchantID)
	}
	return s.saveMerchant(ctx, tx, &m)
}

// RemoveAllowlistEntry is the input of [Service.RemoveAllowlistEntry]: the entry
// by its id, or by its range as it is listed.
type RemoveAllowlistEntry struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	EntryID    string `json:"entry_id,omitempty" validate:"required_without=CIDR"`
	CIDR       string `json:"cidr,omitempty" validate:"excluded_with=EntryID"`
}

// RemoveAllowlistEntry takes a range out. An allowlist without entries lets
// nobody in.
func (s *Service) RemoveAllowlistEntry(ctx context.Context, a Actor, in RemoveAllowlistEntry) (AllowlistEntry, error) {
	r := request{actor: a, op: OpAllowlistRemove, merchantID: in.MerchantID, input: in}
	return change(ctx, s, r, func(tx Tx, rec *record) (AllowlistEntry, error) {
		e, err := findEntry(ctx, tx, in)
		if err != nil {
			return e, err
		}
		rec.target, rec.diff = e.ID, map[string]Change{"cidr": {From: e.Prefix}, "note": {From: e.Note}}
		return e, s.deleteEntry(ctx, tx, e)
	})
}

func findEntry(ctx context.Context, tx Tx, in RemoveAllowlistEntry) (AllowlistEntry, error) {
	if in.EntryID != "" {
		e, err := tx.AllowlistEntry(ctx, in.MerchantID, in.EntryID)
		return e, orNotFound(err, "allowlist entry", in.EntryID)
	}
	prefix, err := ParseAllowlistCIDR(in.CIDR, true)
	if err != nil {
		return AllowlistEntry{}, err
	}
	e, found, err := entryOf(ctx, tx, in.MerchantID, prefix)
	if err == nil && !found {
		err = notFound("allowlist entry", prefix.String())
	}
	return e, err
}

// ListAllowlist lists a merchant's entries, oldest first.
func (s *Service) ListAllowlist(ctx context.Context, a Actor, merchantID string) ([]AllowlistEntry, error) {
	r := request{actor: a, op: OpAllowlistList, merchantID: merchantID, input: ofMerchant{merchantID}}
	return read(ctx, s, r, func(tx Tx) ([]AllowlistEntry, error) { return tx.Allowlist(ctx, merchantID) })
}

// CheckIP is the input of [Service.CheckIP].
type CheckIP struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	IP         string `json:"ip" validate:"required"`
}

// CheckIP answers whether an address would pass, by the gateway's own matching.
func (s *Service) CheckIP(ctx context.Context, a Actor, in CheckIP) (AllowlistCheck, error) {
	r := request{actor: a, op: OpAllowlistCheck, merchantID: in.MerchantID, input: in}
	return read(ctx, s, r, func(tx Tx) (AllowlistCheck, error) {
		addr, err := netip.ParseAddr(in.IP)
		if err != nil {
			return AllowlistCheck{}, InvalidField("ip", "must be an IP address such as 198.51.100.7 or 2001:db8::1").because("ip")
		}
		entries, err := tx.Allowlist(ctx, in.MerchantID)
		if err != nil {
			return AllowlistCheck{}, err
		}
		return CheckAllowlist(entries, addr), nil
	})
}
