package controlplane_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestNodesThatNeedALookAreNamed(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	well := controlplane.Node{Roles: []controlplane.NodeRole{controlplane.NodeGateway}, Version: "v2", Replay: "redis", ConfirmedAt: now.Add(-6 * time.Second), SeenAt: now.Add(-5 * time.Second)}
	with := func(change func(*controlplane.Node)) controlplane.Node {
		n := well
		change(&n)
		return n
	}
	memory := with(func(n *controlplane.Node) { n.Replay = "memory" })
	for name, c := range map[string]struct {
		nodes []controlplane.Node
		want  string
	}{
		"all is well":                {[]controlplane.Node{well, well}, "[[] []]"},
		"one is silent":              {[]controlplane.Node{well, with(func(n *controlplane.Node) { n.SeenAt, n.Version = now.Add(-31*time.Second), "v1" })}, "[[] [silent]]"},
		"one lags":                   {[]controlplane.Node{with(func(n *controlplane.Node) { n.ConfirmedAt = now.Add(-16 * time.Second) })}, "[[lagging]]"},
		"a clock ahead is no lag":    {[]controlplane.Node{with(func(n *controlplane.Node) { n.ConfirmedAt = now.Add(time.Hour) })}, "[[]]"},
		"one is of another version":  {[]controlplane.Node{with(func(n *controlplane.Node) { n.Version = "v1" }), well}, "[[other_version] []]"},
		"a gateway alone may":        {[]controlplane.Node{memory, with(func(n *controlplane.Node) { n.Roles = nil })}, "[[] []]"},
		"gateways must share nonces": {[]controlplane.Node{memory, well}, "[[own_nonces] []]"},
		"but not with one that went": {[]controlplane.Node{memory, with(func(n *controlplane.Node) { n.SeenAt = now.Add(-time.Hour) })}, "[[] [silent]]"},
	} {
		if got := fmt.Sprint(controlplane.NodeTroubles(c.nodes, "v2", now)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
