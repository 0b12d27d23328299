package controlplane

// ActorKind is where an actor comes from.
type ActorKind string

const (
	ActorUser   ActorKind = "user"   // a merchant's user, in the portal
	ActorStaff  ActorKind = "staff"  // the platform team, in the console
	ActorLocal  ActorKind = "local"  // the operator, through the admin socket
	ActorSystem ActorKind = "system" // the program itself, or a backend of the platform
)

// Actor is who asks for an operation, as the audit trail will name them.
type Actor struct {
	Kind ActorKind
	// ID is the user or staff id; for a local actor the name of the account on
	// the machine.
	ID   string
	Name string
	Role Role
	// MerchantID binds a user to their merchant: every other one is not found.
	MerchantID string
	// Sudo: the actor has confirmed who they are within the last ten minutes.
	Sudo bool
	// BreakGlass is why a change must not wait for a second pair of eyes; empty: it
	// waits. Only a platform admin can break the glass, and everyone gets to see it.
	BreakGlass string
	// TokenID is the staff token by which a program acts as the member of staff.
	TokenID string

	IP        string
	UserAgent string
	RequestID string
}

// roleFits reports whether the role is one that an actor of this kind can hold. A
// caller's mistake must not give a user the rights of staff, or let staff act as
// the owner of every merchant.
func (a Actor) roleFits() bool {
	switch a.Kind {
	case ActorUser:
		return a.MerchantID != "" && isMerchantRole(a.Role)
	case ActorStaff:
		return isPlatformRole(a.Role)
	case ActorLocal:
		return a.Role == RoleLocal
	case ActorSystem:
		return a.Role == RoleLocal || a.Role == RoleService
	}
	return false
}

// LocalActor is the operator of the machine, authenticated by the mode of the
// admin socket or of the database file.
func LocalActor(name string) Actor {
	return Actor{Kind: ActorLocal, ID: name, Name: name, Role: RoleLocal, Sudo: true}
}

// auditName tells what somebody did from what a token of theirs did.
func (a Actor) auditName() string {
	if a.TokenID == "" {
		return a.Name
	}
	return a.Name + " by " + a.TokenID
}
