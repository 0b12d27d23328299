package portal

import "github.com/unknownpay/merchant-gateway/controlplane"

// audience is who a host is for. The merchants' portal and the platform's console
// share everything but this.
type audience struct {
	routes []Route
	// sessionName is that of the session cookie. The hosts differ, so browsers keep
	// the sessions apart anyway; the names tell people who look which is which.
	sessionName string
	// start is the page that a finished sign-in leads to.
	start string
	// textsFolder holds texts that take the place of the portal's; empty: none.
	textsFolder string
	// roles are those of the readers.
	roles []controlplane.Role
	// staff: the readers are the platform's own people and belong to no merchant.
	staff bool
}

func merchants() audience {
	return audience{
		routes: Routes(), sessionName: sessionCookie, start: "overview",
		roles: []controlplane.Role{controlplane.RoleOwner, controlplane.RoleAdmin, controlplane.RoleOperator, controlplane.RoleViewer},
	}
}

func platform() audience {
	return audience{
		routes: ConsoleRoutes(), sessionName: consoleCookie, start: "console", textsFolder: "console", staff: true,
		roles: []controlplane.Role{controlplane.RolePlatformAdmin, controlplane.RolePlatformOperator, controlplane.RoleAuditor},
	}
}
