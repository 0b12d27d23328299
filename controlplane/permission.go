package controlplane

import "slices"

// Operation names one thing an actor can ask for. The names are stored in the
// audit trail: they may be added to, never renamed.
type Operation string

const (
	OpMerchantCreate  Operation = "merchant.create"
	OpMerchantRename  Operation = "merchant.rename"
	OpMerchantSuspend Operation = "merchant.suspend"
	OpMerchantResume  Operation = "merchant.resume"
	OpMerchantList    Operation = "merchant.list"
	OpMerchantView    Operation = "merchant.view"

	OpUserCreate  Operation = "user.create"
	OpUserDisable Operation = "user.disable"
	OpUserEnable  Operation = "user.enable"
	OpUserRole    Operation = "user.role"
	OpUserList    Operation = "user.list"

	OpUserResetPassword     Operation = "user.reset_password"
	OpUserResetSecondFactor Operation = "user.reset_second_factor"

	OpKeyIssue  Operation = "key.issue"
	OpKeyRotate Operation = "key.rotate"
	OpKeyRetire Operation = "key.retire"
	OpKeyList   Operation = "key.list"

	OpAllowlistAdd    Operation = "allowlist.add"
	OpAllowlistRemove Operation = "allowlist.remove"
	OpAllowlistList   Operation = "allowlist.list"
	OpAllowlistCheck  Operation = "allowlist.check"

	OpAllowlistRequest  Operation = "allowlist.request"
	OpAllowlistWithdraw Operation = "allowlist.withdraw"
	OpAllowlistRequests Operation = "allowlist.requests"
	OpAllowlistApprove  Operation = "allowlist.approve"
	OpAllowlistReject   Operation = "allowlist.reject"

	OpEndpointCreate  Operation = "endpoint.create"
	OpEndpointUpdate  Operation = "endpoint.update"
	OpEndpointEnable  Operation = "endpoint.enable"
	OpEndpointDisable Operation = "endpoint.disable"
	OpEndpointDelete  Operation = "endpoint.delete"
	OpEndpointSecret  Operation = "endpoint.rotate_secret"
	OpEndpointTest    Operation = "endpoint.test"
	OpEndpointList    Operation = "endpoint.list"
	OpEndpointView    Operation = "endpoint.view"

	OpEventIngest Operation = "event.ingest"

	OpDeliveryList   Operation = "delivery.list"
	OpDeliveryView   Operation = "delivery.view"
	OpDeliveryCount  Operation = "delivery.replay_count"
	OpDeliveryReplay Operation = "delivery.replay"

	OpServiceTokenIssue  Operation = "service_token.issue"
	OpServiceTokenRevoke Operation = "service_token.revoke"
	OpServiceTokenList   Operation = "service_token.list"

	OpStaffTokenIssue  Operation = "staff_token.issue"
	OpStaffTokenRevoke Operation = "staff_token.revoke"
	OpStaffTokenList   Operation = "staff_token.list"

	OpStaffBootstrap Operation = "staff.bootstrap"

	OpAuditList   Operation = "audit.list"
	OpAuditVerify Operation = "audit.verify"

	OpSystemStatus      Operation = "system.status"
	OpSystemBackup      Operation = "system.backup"
	OpKeyringStatus     Operation = "keyring.status"
	OpKeyringRotate     Operation = "keyring.rotate"
	OpKeyringRotateRoot Operation = "keyring.rotate_root"
)

// What people do to their own account. No role is needed, only a session that has
// come far enough, so these are in the audit trail but not in the permission table.
const (
	OpSignIn             Operation = "account.sign_in"
	OpSignOut            Operation = "account.sign_out"
	OpLockout            Operation = "account.lockout"
	OpSudo               Operation = "account.sudo"
	OpPasswordChange     Operation = "account.password"
	OpSecondFactorBegin  Operation = "account.second_factor.begin"
	OpSecondFactorEnrol  Operation = "account.second_factor.enrol"
	OpSecondFactorRemove Operation = "account.second_factor.remove"
	OpRecoveryCodes      Operation = "account.recovery_codes"
	OpSessionRevoke      Operation = "account.session.revoke"
)

// Permission is one row of the permission table.
type Permission struct {
	Operation Operation `json:"operation"`
	// Roles that may. RoleLocal is listed like any other.
	Roles []Role `json:"roles"`
	// Sudo: the actor must have confirmed who they are within ten minutes.
	Sudo bool `json:"sudo"`
	// Changes: refused to a suspended merchant's own users, who may only read.
	Changes bool `json:"changes"`
}

// Permissions returns the permission table. The middleware, the "Roles" page, the
// documentation and the tests all read this one.
func Permissions() []Permission {
	var (
		local    = []Role{RoleLocal}
		staff    = []Role{RoleLocal, RolePlatformAdmin, RolePlatformOperator}
		admins   = []Role{RoleLocal, RolePlatformAdmin}
		watchers = []Role{RoleLocal, RolePlatformAdmin, RolePlatformOperator, RoleAuditor}
		keepers  = []Role{RoleLocal, RoleOwner, RoleAdmin} // staff never see a secret
		testers  = slices.Concat(keepers, []Role{RoleOperator})
		everyone = slices.Concat(watchers, []Role{RoleOwner, RoleAdmin, RoleOperator, RoleViewer})
		managers = slices.Concat(watchers, []Role{RoleOwner, RoleAdmin})
	)
	return []Permission{
		{OpMerchantCreate, staff, false, true},
		{OpMerchantRename, staff, false, true},
		{OpMerchantSuspend, staff, true, true},
		{OpMerchantResume, staff, true, true},
		{OpMerchantList, watchers, false, false},
		{OpMerchantView, everyone, false, false},

		{OpUserCreate, staff, true, true},
		{OpUserDisable, staff, true, true},
		{OpUserEnable, staff, true, true},
		{OpUserRole, staff, true, true},
		{OpUserList, managers, false, false},
		{OpUserResetPassword, staff, true, true},
		{OpUserResetSecondFactor, staff, true, true},

		{OpKeyIssue, keepers, true, true},
		{OpKeyRotate, keepers, true, true},
		{OpKeyRetire, keepers, true, true},
		{OpKeyList, everyone, false, false},

		{OpAllowlistAdd, staff, true, true},
		{OpAllowlistRemove, staff, true, true},
		{OpAllowlistList, everyone, false, false},
		{OpAllowlistCheck, everyone, false, false},
		{OpAllowlistRequest, keepers, false, true},
		{OpAllowlistWithdraw, keepers, false, true},
		{OpAllowlistRequests, everyone, false, false},
		{OpAllowlistApprove, staff, true, true},
		{OpAllowlistReject, staff, true, true},

		{OpEndpointCreate, keepers, true, true},
		{OpEndpointUpdate, keepers, true, true},
		{OpEndpointEnable, keepers, true, true},
		{OpEndpointDisable, keepers, true, true},
		{OpEndpointDelete, keepers, true, true},
		{OpEndpointSecret, keepers, true, true},
		{OpEndpointTest, testers, false, true},
		{OpEndpointList, everyone, false, false},
		{OpEndpointView, everyone, false, false},

		// No user of a merchant may, and there are too many for the audit trail: the
		// events are their own record.
		{OpEventIngest, []Role{RoleLocal, RoleService}, false, false},

		{OpDeliveryList, everyone, false, false},
		{OpDeliveryView, everyone, false, false},
		{OpDeliveryCount, keepers, false, false},
		{OpDeliveryReplay, keepers, true, true},

		{OpServiceTokenIssue, admins, true, true},
		{OpServiceTokenRevoke, admins, true, true},
		{OpServiceTokenList, watchers, false, false},

		{OpStaffBootstrap, local, false, true},

		// Ending a token is never made hard.
		{OpStaffTokenIssue, watchers, true, true},
		{OpStaffTokenRevoke, watchers, false, true},
		{OpStaffTokenList, watchers, false, false},

		{OpAuditList, managers, false, false},
		{OpAuditVerify, watchers, false, false},

		{OpSystemStatus, watchers, false, false},
		{OpSystemBackup, local, false, true},
		{OpKeyringStatus, admins, false, false},
		{OpKeyringRotate, local, false, true},
		{OpKeyringRotateRoot, local, false, true},
	}
}

// permissionOf looks an operation up; an operation without a row is nobody's.
func permissionOf(op Operation) Permission {
	table := Permissions()
	i := slices.IndexFunc(table, func(p Permission) bool { return p.Operation == op })
	if i < 0 {
		return Permission{Operation: op}
	}
	return table[i]
}

// Allows reports whether the role may at all; sudo is asked for separately.
func (p Permission) Allows(r Role) bool { return slices.Contains(p.Roles, r) }
