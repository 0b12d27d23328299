package controlplane

import (
	"context"
	"fmt"
	"net/netip"
)

// ImportAllowlist is the input of [Service.ImportAllowlist].
type ImportAllowlist struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	// Text has an address or a range on each line, and its note behind it.
	Text string `json:"text" validate:"required,max=65536"`
	// Note is that of lines without one.
	Note string `json:"note,omitempty" validate:"omitempty,note"`
}

// ImportedAllowlist says what a list does, line by line.
type ImportedAllowlist struct {
	Lines []ImportLine `json:"lines"`
	// Added is the number of ranges that are added.
	Added int `json:"added"`
	// Wrong is the number of lines with a problem; none is added while there is one.
	Wrong int `json:"wrong"`
}

// PreviewAllowlistImport says what [Service.ImportAllowlist] would do with a list, and
// what is wrong with its lines. It changes nothing.
func (s *Service) PreviewAllowlistImport(ctx context.Context, a Actor, in ImportAllowlist) (ImportedAllowlist, error) {
	r := request{actor: a, op: OpAllowlistImport, merchantID: in.MerchantID, input: in}
	return read(ctx, s, r, func(tx Tx) (ImportedAllowlist, error) {
		entries, err := tx.Allowlist(ctx, in.MerchantID)
		return weighImport(s.parseImport(in.Text, in.Note), entries), err
	})
}

// ImportAllowlist adds every range of a list that is not there yet, all or none.
// CodeInvalid on the field "text" while a line is wrong or none adds anything;
// CodeLimit if the allowlist would hold too many; CodePending if somebody else of the
// staff has to approve.
func (s *Service) ImportAllowlist(ctx context.Context, a Actor, in ImportAllowlist) (ImportedAllowlist, error) {
	p, err := s.planImport(ctx, a, in)
	if err != nil {
		return ImportedAllowlist{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planImport(ctx context.Context, a Actor, in ImportAllowlist) (p plan[ImportedAllowlist], err error) {
	p.request = request{actor: a, op: OpAllowlistImport, merchantID: in.MerchantID, input: in, eyes: liveTraffic(in.MerchantID)}
	if err := s.admit(ctx, p.request); err != nil {
		return p, err
	}
	lines := s.parseImport(in.Text, in.Note)
	fresh := make([]AllowlistEntry, len(lines))
	for i, l := range lines {
		if fresh[i], err = s.newEntry(a, in.MerchantID, l.Prefix, l.Note); err != nil {
			return p, err
		}
	}
	p.do = func(tx Tx, rec *record) (ImportedAllowlist, error) {
		entries, err := tx.Allowlist(ctx, in.MerchantID)
		if err != nil {
			return ImportedAllowlist{}, err
		}
		out := weighImport(lines, entries)
		if err := out.fits(len(entries)); err != nil {
			return out, err
		}
		rec.target, rec.diff = in.MerchantID, map[string]Change{"entries": {To: out.Added}}
		return out, s.insertImport(ctx, tx, rec, out, fresh)
	}
	return p, nil
}

func (s *Service) insertImport(ctx context.Context, tx Tx, rec *record, out ImportedAllowlist, fresh []AllowlistEntry) error {
	n := 0
	for i, l := range out.Lines {
		if l.Present {
			continue
		}
		n++
		rec.diff[fmt.Sprintf("cidr %03d", n)] = Change{To: fresh[i].Prefix}
		if _, err := tx.InsertAllowlistEntry(ctx, fresh[i]); err != nil {
			return err
		}
	}
	return s.touchMerchant(ctx, tx, rec.target)
}

// weighImport holds lines against what is there.
func weighImport(lines []ImportLine, entries []AllowlistEntry) (out ImportedAllowlist) {
	there := map[netip.Prefix]bool{}
	for _, e := range entries {
		there[e.Prefix] = true
	}
	for _, l := range lines {
		switch {
		case l.Problem != nil:
			out.Wrong++
		case there[l.Prefix]:
			l.Present = true
		default:
			out.Added++
		}
		out.Lines = append(out.Lines, l)
	}
	return out
}

// fits refuses what could not be added as a whole.
func (i ImportedAllowlist) fits(there int) error {
	switch {
	case i.Wrong > 0:
		return InvalidField("text", "has %d lines to put right; nothing was added", i.Wrong).because("lines", "n", fmt.Sprint(i.Wrong))
	case i.Added == 0:
		return InvalidField("text", "adds nothing: it has no range that is not there already").because("nothing")
	case there+i.Added > MaxAllowlistEntries:
		e := InvalidField("text", "adds %d to the %d entries that are there; at most %d fit", i.Added, there, MaxAllowlistEntries).
			because("too_many", "n", fmt.Sprint(MaxAllowlistEntries-there))
		e.Code = CodeLimit
		return e
	}
	return nil
}
