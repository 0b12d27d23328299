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
// CodeLimit beyond [MaxAllowlistEntries], CodeConflict if the range is there,
// CodePending if somebody else of the staff has to approve.
func (s *Service) AddAllowlistEntry(ctx context.Context, a Actor, in AddAllowlistEntry) (AllowlistEntry, error) {
	p, err := s.planAddEntry(ctx, a, in)
	if err != nil {
		return AllowlistEntry{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planAddEntry(ctx context.Context, a Actor, in AddAllowlistEntry) (p plan[AllowlistEntry], err error) {
	p.request = request{actor: a, op: OpAllowlistAdd, merchantID: in.MerchantID, input: in, eyes: liveTraffic(in.MerchantID)}
	if err := s.admit(ctx, p.request); err != nil {
		return p, err
	}
	prefix, err := ParseAllowlistCIDR(in.CIDR, s.rules.AllowPrivateRanges)
	if err != nil {
		return p, err
	}
	e, err := s.newEntry(a, in.MerchantID, prefix, in.Note)
	p.do = func(tx Tx, rec *record) (AllowlistEntry, error) {
		rec.target, rec.diff = e.ID, map[string]Change{"cidr": {To: prefix}, "note": {To: e.Note}}
		return s.insertEntry(ctx, tx, e)
	}
	return p, err
}

func (s *Service) newEntry(a Actor, merchantID string, prefix netip.Prefix, note string) (AllowlistEntry, error) {
	id, err := NewID(PrefixEntry, s.now(), s.random)
	if err != nil {
		return AllowlistEntry{}, asError(err)
	}
	return AllowlistEntry{ID: id, MerchantID: merchantID, Prefix: prefix, Note: note, CreatedAt: s.now(), CreatedBy: a.Name}, nil
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
		return e, conflictingField("cidr", "present", "%s is in the allowlist already", e.Prefix)
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
// nobody in. CodePending if somebody else of the staff has to approve.
func (s *Service) RemoveAllowlistEntry(ctx context.Context, a Actor, in RemoveAllowlistEntry) (AllowlistEntry, error) {
	p, err := s.planRemoveEntry(ctx, a, in)
	if err != nil {
		return AllowlistEntry{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planRemoveEntry(ctx context.Context, a Actor, in RemoveAllowlistEntry) (p plan[AllowlistEntry], err error) {
	p.request = request{actor: a, op: OpAllowlistRemove, merchantID: in.MerchantID, input: in, eyes: liveTraffic(in.MerchantID)}
	p.do = func(tx Tx, rec *record) (AllowlistEntry, error) {
		e, err := findEntry(ctx, tx, in)
		if err != nil {
			return e, err
		}
		rec.target, rec.diff = e.ID, map[string]Change{"cidr": {From: e.Prefix}, "note": {From: e.Note}}
		return e, s.deleteEntry(ctx, tx, e)
	}
	return p, nil
}

// SetAllowlistNote is the input of [Service.SetAllowlistNote].
type SetAllowlistNote struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	EntryID    string `json:"entry_id" validate:"required"`
	Note       string `json:"note" validate:"required,note"`
}

// SetAllowlistNote says anew whose addresses an entry holds. Who gets in stays the
// same, so gateways need not know.
func (s *Service) SetAllowlistNote(ctx context.Context, a Actor, in SetAllowlistNote) (AllowlistEntry, error) {
	r := request{actor: a, op: OpAllowlistNote, merchantID: in.MerchantID, input: in}
	return change(ctx, s, r, func(tx Tx, rec *record) (AllowlistEntry, error) {
		e, err := tx.AllowlistEntry(ctx, in.MerchantID, in.EntryID)
		if err != nil {
			return e, orNotFound(err, "allowlist entry", in.EntryID)
		}
		rec.target, rec.diff = e.ID, map[string]Change{"note": {From: e.Note, To: in.Note}}
		e.Note = in.Note
		return e, tx.UpdateAllowlistNote(ctx, in.MerchantID, e.ID, in.Note)
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
