package caddymodule

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// about is what this configuration makes of the server. The directives of its sites
// are known when every app is provisioned.
func (a *App) about() nodeAbout {
	out := nodeAbout{name: a.NodeName}
	if host, err := os.Hostname(); out.name == "" && err == nil {
		out.name = host[:min(len(host), controlplane.MaxNodeName)]
	}
	for _, role := range []struct {
		directive string
		role      controlplane.NodeRole
	}{
		{"merchant_auth", controlplane.NodeGateway}, {"merchant_portal", controlplane.NodePortal},
		{"merchant_console", controlplane.NodeConsole}, {"merchant_events", controlplane.NodeEvents},
	} {
		if slices.Contains(a.directives, role.directive) {
			out.roles = append(out.roles, role.role)
		}
	}
	if a.Delivery != nil {
		out.roles = append(out.roles, controlplane.NodeDelivery)
	}
	if module, ok := a.replay.(caddy.Module); ok {
		out.replay = module.CaddyModule().ID.Name()
	}
	return out
}

func (a *App) validateNodeName() error {
	strange := strings.ContainsFunc(a.NodeName, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
	if strange || len(a.NodeName) > controlplane.MaxNodeName || strings.TrimSpace(a.NodeName) != a.NodeName {
		return fmt.Errorf("node_name is %q; give up to %d printable bytes without spaces around them", a.NodeName, controlplane.MaxNodeName)
	}
	return nil
}
