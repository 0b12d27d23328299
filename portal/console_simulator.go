package portal

import (
	"net/http"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// maxSimulated is how many addresses a simulation names.
const maxSimulated = 20

// simulation is what a change of an allowlist would have done, as pages show it.
type simulation struct {
	controlplane.AllowlistSimulation
	// More is how many addresses are not named.
	More int
}

func (x *exchange) simulate(in controlplane.SimulateAllowlist) (*simulation, error) {
	out, err := x.service.SimulateAllowlist(x.ctx(), x.actor(), in)
	if err != nil {
		return nil, err
	}
	s := &simulation{AllowlistSimulation: out, More: max(0, len(out.Refused)-maxSimulated) + max(0, len(out.Admitted)-maxSimulated)}
	s.Refused, s.Admitted = out.Refused[:min(len(out.Refused), maxSimulated)], out.Admitted[:min(len(out.Admitted), maxSimulated)]
	return s, nil
}

// simulatorPage tries a change of an allowlist on the traffic of the last day.
type simulatorPage struct {
	form
	merchantRow
	Tabs    []link
	Choices []entryChoice
	// Result is nil until something is asked.
	Result *simulation
}

// entryChoice is an entry that can be tried without.
type entryChoice struct {
	controlplane.AllowlistEntry
	Chosen bool
}

func (p simulatorPage) title() (string, []any) {
	return "merchants.allowlist.simulate.title", []any{"name", p.Name}
}

func showSimulator(x *exchange) error {
	m, err := x.pathMerchant()
	if err != nil {
		return err
	}
	entries, err := x.service.ListAllowlist(x.ctx(), x.actor(), m.ID)
	if err != nil {
		return err
	}
	page := simulatorPage{merchantRow: x.merchantRow(m), Tabs: x.merchantTabs(m), form: form{Fields: []field{
		{Name: "cidr", Label: "field.simulate_add", Hint: "field.cidr.hint", Value: x.query("cidr"), Autocomplete: "off", MaxLength: maxCIDRInput},
	}}}
	in := controlplane.SimulateAllowlist{MerchantID: m.ID}
	removed := x.r.URL.Query()["remove"]
	for _, e := range entries {
		c := entryChoice{e, false}
		for _, id := range removed {
			c.Chosen = c.Chosen || id == e.ID
		}
		if c.Chosen {
			in.Remove = append(in.Remove, e.ID)
		}
		page.Choices = append(page.Choices, c)
	}
	if text := strings.TrimSpace(x.query("cidr")); text != "" {
		in.Add = []string{text}
	}
	if len(in.Remove)+len(in.Add) == 0 {
		return x.render(http.StatusOK, "merchants.allowlist.simulate", page)
	}
	if page.Result, err = x.simulate(in); err != nil {
		return x.putRight(&page.form, err, func() error {
			return x.render(http.StatusUnprocessableEntity, "merchants.allowlist.simulate", page)
		})
	}
	return x.render(http.StatusOK, "merchants.allowlist.simulate", page)
}
