package api

import (
	"net/http"
	"slices"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete
)

// Routes returns the route table. An operation that staff may do and that has no
// row is one that only the console offers, with the reason in the tests.
func Routes() []Route {
	return slices.Concat(merchantRoutes(), userRoutes(), allowlistRoutes(), trafficRoutes(), approvalRoutes(), staffRoutes(), platformRoutes())
}

const merchant = Prefix + "/merchants/{merchant_id}"

func merchantRoutes() []Route {
	return []Route{
		{get, Prefix + "/merchants", controlplane.OpMerchantList, "Lists merchants, in the order of their ids", RepeatRead, false},
		{post, Prefix + "/merchants", controlplane.OpMerchantCreate, "Creates a merchant without users, keys or allowlist", RepeatAgain, true},
		{get, merchant, controlplane.OpMerchantView, "Shows a merchant", RepeatRead, false},
		{patch, merchant, controlplane.OpMerchantRename, "Renames a merchant", RepeatSame, false},
		{post, merchant + "/suspend", controlplane.OpMerchantSuspend, "Refuses every key of a merchant, and lets its users only read", RepeatConflict, false},
		{post, merchant + "/resume", controlplane.OpMerchantResume, "Ends a suspension", RepeatConflict, false},
		{get, merchant + "/keys", controlplane.OpKeyList, "Lists API keys, without secrets, newest first", RepeatRead, false},
	}
}

func userRoutes() []Route {
	const user = merchant + "/users/{user_id}"
	return []Route{
		{get, merchant + "/users", controlplane.OpUserList, "Lists a merchant's users, in the order of their ids", RepeatRead, false},
		{post, merchant + "/users", controlplane.OpUserCreate, "Creates a user; the generated password is in this answer only", RepeatConflict, true},
		{get, user, controlplane.OpUserView, "Shows a user", RepeatRead, false},
		{post, user + "/disable", controlplane.OpUserDisable, "Ends a user's sessions and refuses their sign-in", RepeatConflict, false},
		{post, user + "/enable", controlplane.OpUserEnable, "Lets a disabled user sign in again", RepeatConflict, false},
		{post, user + "/sign-out", controlplane.OpUserSignOut, "Ends all sessions of a user", RepeatAgain, false},
		{put, user + "/role", controlplane.OpUserRole, "Gives a user another role, and ends their sessions", RepeatConflict, false},
		{post, user + "/reset-password", controlplane.OpUserResetPassword, "Replaces a user's password; the generated one is in this answer only", RepeatAgain, false},
		{post, user + "/reset-second-factor", controlplane.OpUserResetSecondFactor, "Takes the second factor and the recovery codes from a user", RepeatConflict, false},
	}
}

func allowlistRoutes() []Route {
	const request = merchant + "/allowlist-requests/{request_id}"
	return []Route{
		{get, merchant + "/allowlist", controlplane.OpAllowlistList, "Lists a merchant's allowlist, oldest entry first", RepeatRead, false},
		{post, merchant + "/allowlist", controlplane.OpAllowlistAdd, "Lets an address or a range in", RepeatConflict, true},
		{post, merchant + "/allowlist/import", controlplane.OpAllowlistImport, "Lets a list of addresses and ranges in, all or none; with dry_run, says line by line what it would do", RepeatNothing, false},
		{patch, merchant + "/allowlist/{entry_id}", controlplane.OpAllowlistNote, "Changes the note of an entry", RepeatSame, false},
		{remove, merchant + "/allowlist/{entry_id}", controlplane.OpAllowlistRemove, "Takes an entry out", RepeatGone, false},
		{remove, merchant + "/allowlist", controlplane.OpAllowlistRemove, "Takes the entry of exactly this range out", RepeatGone, false},
		{get, merchant + "/allowlist/check", controlplane.OpAllowlistCheck, "Says whether an address would pass, by the gateway's own matching", RepeatRead, false},
		{post, merchant + "/allowlist/simulate", controlplane.OpAllowlistSimulate, "Says what a change would have done to the last 24 hours' requests", RepeatRead, false},
		{get, merchant + "/allowlist-requests", controlplane.OpAllowlistRequests, "Lists what a merchant asks to have changed, newest first", RepeatRead, false},
		{get, Prefix + "/allowlist-requests", controlplane.OpAllowlistQueue, "Lists what all merchants wait for, oldest first", RepeatRead, false},
		{post, request + "/approve", controlplane.OpAllowlistApprove, "Carries a merchant's request out", RepeatConflict, false},
		{post, request + "/reject", controlplane.OpAllowlistReject, "Turns a merchant's request down, with a reason", RepeatConflict, false},
	}
}

func trafficRoutes() []Route {
	return []Route{
		{get, merchant + "/requests", controlplane.OpRequestList, "Lists the logged requests of an environment, newest first", RepeatRead, false},
		{get, merchant + "/requests/counts", controlplane.OpRequestCount, "Counts the requests of an environment by outcome and code, for each minute or hour", RepeatRead, false},
		{get, merchant + "/requests/{request_id}", controlplane.OpRequestView, "Shows a logged request and why it was refused", RepeatRead, false},
		{get, merchant + "/endpoints", controlplane.OpEndpointList, "Lists webhook endpoints and how they do", RepeatRead, false},
		{get, merchant + "/endpoints/{endpoint_id}", controlplane.OpEndpointView, "Shows a webhook endpoint", RepeatRead, false},
		{get, merchant + "/deliveries", controlplane.OpDeliveryList, "Lists deliveries of an environment, newest first", RepeatRead, false},
		{get, merchant + "/deliveries/{delivery_id}", controlplane.OpDeliveryView, "Shows a delivery with its event and its attempts", RepeatRead, false},
	}
}

func approvalRoutes() []Route {
	const approval = Prefix + "/approvals/{approval_id}"
	return []Route{
		{get, Prefix + "/approvals", controlplane.OpApprovalList, "Lists changes that take two: those that wait, were decided, or did not wait, newest first", RepeatRead, false},
		{get, approval, controlplane.OpApprovalView, "Shows a change that takes two", RepeatRead, false},
		{post, approval + "/approve", controlplane.OpApprovalApprove, "Carries out what somebody else asked for; a password that it generates is in this answer only", RepeatConflict, false},
		{post, approval + "/reject", controlplane.OpApprovalReject, "Turns a change down, with a reason", RepeatConflict, false},
		{post, approval + "/withdraw", controlplane.OpApprovalWithdraw, "Takes back what one asked for oneself", RepeatConflict, false},
	}
}

func staffRoutes() []Route {
	const member = Prefix + "/staff/{staff_id}"
	return []Route{
		{get, Prefix + "/staff", controlplane.OpStaffList, "Lists the platform team, in the order of their ids", RepeatRead, false},
		{post, Prefix + "/staff", controlplane.OpStaffCreate, "Adds a member of the platform team; the generated password is in this answer only", RepeatConflict, true},
		{get, member, controlplane.OpStaffView, "Shows a member of the platform team", RepeatRead, false},
		{post, member + "/disable", controlplane.OpStaffDisable, "Ends a member's sessions and tokens and refuses their sign-in", RepeatConflict, false},
		{post, member + "/enable", controlplane.OpStaffEnable, "Lets a disabled member sign in again", RepeatConflict, false},
		{post, member + "/sign-out", controlplane.OpStaffSignOut, "Ends all sessions and tokens of a member", RepeatAgain, false},
		{put, member + "/role", controlplane.OpStaffRole, "Gives a member another role, and ends their sessions and tokens", RepeatConflict, false},
		{post, member + "/reset-password", controlplane.OpStaffResetPassword, "Replaces a member's password; the generated one is in this answer only", RepeatAgain, false},
		{post, member + "/reset-second-factor", controlplane.OpStaffResetSecondFactor, "Takes the second factor and the recovery codes from a member", RepeatConflict, false},
	}
}

func platformRoutes() []Route {
	return []Route{
		{get, Prefix + "/requests/unknown", controlplane.OpRequestUnknown, "Lists what was refused without a key that is known, newest first", RepeatRead, false},
		{get, Prefix + "/service-tokens", controlplane.OpServiceTokenList, "Lists the tokens with which backends hand events in", RepeatRead, false},
		{post, Prefix + "/service-tokens", controlplane.OpServiceTokenIssue, "Issues a service token; it is in this answer only", RepeatAgain, true},
		{post, Prefix + "/service-tokens/{token_id}/revoke", controlplane.OpServiceTokenRevoke, "Ends a service token at once", RepeatConflict, false},
		{get, Prefix + "/staff-tokens", controlplane.OpStaffTokenList, "Lists the tokens with which programs use this API", RepeatRead, false},
		{post, Prefix + "/staff-tokens/{token_id}/revoke", controlplane.OpStaffTokenRevoke, "Ends a staff token at once, one's own too", RepeatConflict, false},
		{get, Prefix + "/audit", controlplane.OpAuditList, "Lists the audit trail, newest row first", RepeatRead, false},
		{get, Prefix + "/audit/verify", controlplane.OpAuditVerify, "Proves that the audit trail is unchanged", RepeatRead, false},
		{get, Prefix + "/status", controlplane.OpSystemStatus, "Says how this server is doing", RepeatRead, false},
		{get, Prefix + "/keyring", controlplane.OpKeyringStatus, "Names the keys that seal secrets; it holds none", RepeatRead, false},
	}
}
