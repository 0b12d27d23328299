package controlplane

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"
)

// simulatedTime is how far back a simulation looks.
const simulatedTime = 24 * time.Hour

// SimulateAllowlist is the input of [Service.SimulateAllowlist]: the list as it is,
// without some entries and with some ranges.
type SimulateAllowlist struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	// Remove are ids of entries.
	Remove []string `json:"remove,omitempty" validate:"max=100"`
	// Add are addresses or ranges: see [ParseAllowlistCIDR].
	Add []string `json:"add,omitempty" validate:"max=100"`
}

// AllowlistSimulation is what a changed allowlist would have done to the requests of
// the last 24 hours.
type AllowlistSimulation struct {
	Since time.Time `json:"since"`
	// Entries is how many the list would have.
	Entries int `json:"entries"`
	// Live and Test are the accepted requests that were looked at.
	Live int64 `json:"live"`
	Test int64 `json:"test"`
	// Refused are the addresses whose accepted requests the changed list would have
	// refused, Admitted those refused for their address that it would have let in;
	// busiest first.
	Refused  []SimulatedAddress `json:"refused"`
	Admitted []SimulatedAddress `json:"admitted"`
	// Unknown is how many accepted requests came from addresses that were too many
	// to be told apart.
	Unknown int64 `json:"unknown"`
}

// Breaks is how many requests would have been refused.
func (s AllowlistSimulation) Breaks() (n int64) {
	for _, a := range s.Refused {
		n += a.Live + a.Test
	}
	return n
}

// SimulatedAddress is one address in a simulation.
type SimulatedAddress struct {
	IP netip.Addr `json:"ip"`
	// Entry lets it in now; nil: none does.
	Entry *AllowlistEntry `json:"entry,omitempty"`
	Live  int64           `json:"live"`
	Test  int64           `json:"test"`
	// LastHour is the last hour in which it was seen.
	LastHour time.Time `json:"last_hour"`
}

// SimulateAllowlist says what a change of the allowlist would have done to the
// requests of the last 24 hours, by the gateway's own matching. Accepted requests
// are counted in full, refused ones as far as they are in the log.
func (s *Service) SimulateAllowlist(ctx context.Context, a Actor, in SimulateAllowlist) (AllowlistSimulation, error) {
	r := request{actor: a, op: OpAllowlistSimulate, merchantID: in.MerchantID, input: in}
	return read(ctx, s, r, func(tx Tx) (out AllowlistSimulation, err error) {
		entries, err := tx.Allowlist(ctx, in.MerchantID)
		if err != nil {
			return out, err
		}
		sim := simulation{entries: entries, out: AllowlistSimulation{Since: SpanHour.Of(s.now().Add(-simulatedTime))}}
		if err := sim.lists(in); err != nil {
			return out, err
		}
		seen, err := tx.RequestAddresses(ctx, in.MerchantID, sim.out.Since)
		if err != nil {
			return out, err
		}
		sim.accepted(seen)
		for _, env := range []Environment{Live, Test} {
			turnedAway, err := tx.Requests(ctx, RequestFilter{MerchantID: in.MerchantID, Environment: env, Code: codeIPNotAllowed, Since: sim.out.Since, Limit: 1000})
			if err != nil {
				return out, err
			}
			sim.turnedAway(turnedAway)
		}
		return sim.result(), nil
	})
}

// codeIPNotAllowed is what the gate calls a refusal for the address.
const codeIPNotAllowed = "IP_NOT_ALLOWED"

// simulation is one in the making.
type simulation struct {
	entries           []AllowlistEntry
	now, changed      packedAllowlist
	out               AllowlistSimulation
	refused, admitted map[netip.Addr]*SimulatedAddress
}

// lists packs the list as it is, with the index of an entry as its row, and as it
// would be.
func (s *simulation) lists(in SimulateAllowlist) (err error) {
	s.refused, s.admitted = map[netip.Addr]*SimulatedAddress{}, map[netip.Addr]*SimulatedAddress{}
	var now, changed []AllowedPrefix
	for i, e := range s.entries {
		now = append(now, AllowedPrefix{Row: int64(i), Prefix: e.Prefix})
		if !slices.Contains(in.Remove, e.ID) {
			changed = append(changed, AllowedPrefix{Prefix: e.Prefix})
		}
	}
	for _, id := range in.Remove {
		if !slices.ContainsFunc(s.entries, func(e AllowlistEntry) bool { return e.ID == id }) {
			return notFound("allowlist entry", id)
		}
	}
	for _, text := range in.Add {
		// What an operator may not add is refused when it is added.
		p, err := ParseAllowlistCIDR(text, true)
		if err != nil {
			return err
		}
		changed = append(changed, AllowedPrefix{Prefix: p})
	}
	s.out.Entries = len(changed)
	if s.now, err = packAllowlist(now); err != nil {
		return err
	}
	s.changed, err = packAllowlist(changed)
	return err
}

// accepted weighs requests that passed. One whose address no entry lets in any more
// passed before the list was last changed: the change in question does nothing to
// it.
func (s *simulation) accepted(seen []RequestAddress) {
	for _, a := range seen {
		if a.Environment == Live {
			s.out.Live += a.Count
		} else {
			s.out.Test += a.Count
		}
		if !a.IP.IsValid() {
			s.out.Unknown += a.Count
			continue
		}
		row, passes := s.now.match(a.IP)
		if _, would := s.changed.match(a.IP); passes && !would {
			at := address(s.refused, a.IP)
			at.Entry = &s.entries[row]
			at.add(a.Environment, a.Count, a.Hour)
		}
	}
}

func (s *simulation) turnedAway(all []LoggedRequest) {
	for _, q := range all {
		_, passes := s.now.match(q.ClientIP)
		if _, would := s.changed.match(q.ClientIP); would && !passes {
			address(s.admitted, q.ClientIP).add(q.Environment, 1, SpanHour.Of(q.At))
		}
	}
}

func address(all map[netip.Addr]*SimulatedAddress, ip netip.Addr) *SimulatedAddress {
	if all[ip] == nil {
		all[ip] = &SimulatedAddress{IP: ip}
	}
	return all[ip]
}

func (a *SimulatedAddress) add(env Environment, n int64, hour time.Time) {
	if env == Live {
		a.Live += n
	} else {
		a.Test += n
	}
	if hour.After(a.LastHour) {
		a.LastHour = hour
	}
}

func (s *simulation) result() AllowlistSimulation {
	s.out.Refused, s.out.Admitted = busiest(s.refused), busiest(s.admitted)
	return s.out
}

func busiest(all map[netip.Addr]*SimulatedAddress) []SimulatedAddress {
	out := make([]SimulatedAddress, 0, len(all))
	for _, a := range all {
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b SimulatedAddress) int {
		return cmp.Or(cmp.Compare(b.Live+b.Test, a.Live+a.Test), a.IP.Compare(b.IP))
	})
	return out
}
