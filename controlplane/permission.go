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
	OpUserView    Operation = "user.view"
	OpUserSignOut Operation = "user.sign_out"

	OpUserResetPassword     Operation = "user.reset_password"
	OpUserResetSecondFactor Operation = "user.reset_second_factor"

	OpKeyIssue  Operation = "key.issue"
	OpKeyRotate Operation = "key.rotate"
	OpKeyRetire Operation = "key.retire"
	OpKeyList   Operation = "key.list"

	OpSignatureCheck Operation = "signature.check"

	OpAllowlistAdd    Operation = "allowlist.add"
	OpAllowlistRemove Operation = "allowlist.remove"
	OpAllowlistList   Operation = "allowlist.list"
	OpAllowlistCheck  Operation = "allowlist.check"
	OpAllowlistNote   Operation = "allowlist.note"
	OpAllowlistImport Operation = "allowlist.import"

	OpAllowlistRequest  Operation = "allowlist.request"
	OpAllowlistWithdraw Operation = "allowlist.withdraw"
	OpAllowlistRequests Operation = "allowlist.requests"
	OpAllowlistApprove  Operation = "allowlist.approve"
	OpAllowlistReject   Operation = "allowlist.reject"
	OpAllowlistQueue    Operation = "allowlist.queue"

	OpEndpointCreate  Operation = "endpoint.create"
	OpEndpointUpdate  Operation = "endpoint.update"
	OpEndpointEnable  Operation = "endpoint.enable"
	OpEndpointDisable Operation = "endpoint.disable"
	OpEndpointDelete  Operation = "endpoint.delete"
	OpEndpointSecret  Operation = "endpoint.rotate_secret"
	OpEndpointTest    Operation = "endpoint.test"
	OpEndpointList    Operation = "endpoint.list"
	OpEndpointView    Operation = "endpoint.view"

	// What endpoints do by themselves: in the audit trail, but nobody's to ask for.
	OpEndpointFailing   Operation = "endpoint.failing"
	OpEndpointRecovered Operation = "endpoint.recovered"
	OpEndpointPaused    Operation = "endpoint.paused"

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
	OpStaffCreate    Operation = "staff.create"
	OpStaffDisable   Operation = "staff.disable"
	OpStaffEnable    Operation = "staff.enable"
	OpStaffRole      Operation = "staff.role"
	OpStaffSignOut   Operation = "staff.sign_out"
	OpStaffList      Operation = "staff.list"
	OpStaffView      Operation = "staff.view"

	OpStaffResetPassword     Operation = "staff.reset_password"
	OpStaffResetSecondFactor Operation = "staff.reset_second_factor"

	OpApprovalApprove  Operation = "approval.approve"
	OpApprovalReject   Operation = "approval.reject"
	OpApprovalWithdraw Operation = "approval.withdraw"
	OpApprovalList     Operation = "approval.list"
	OpApprovalView     Operation = "approval.view"

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

// OpApprovalRequest is in the trail when a change was asked for that waits for a
// second pair of eyes. Who may ask is said by the row of the change itself.
const OpApprovalRequest Operation = "approval.request"

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
	return slices.Concat(merchantPermissions(), requestPermissions(), webhookPermissions(), platformPermissions())
}

// roleGroups are the roles that share rights.
type roleGroups struct {
	local, admins, staff, watchers []Role // of the platform
	keepers, testers, managers     []Role // with the merchant's own
	everyone                       []Role
}

func groups() (g roleGroups) {
	g.local = []Role{RoleLocal}
	g.admins = []Role{RoleLocal, RolePlatformAdmin}
	g.staff = []Role{RoleLocal, RolePlatformAdmin, RolePlatformOperator}
	g.watchers = []Role{RoleLocal, RolePlatformAdmin, RolePlatformOperator, RoleAuditor}
	g.keepers = []Role{RoleLocal, RoleOwner, RoleAdmin} // staff never see a secret
	g.testers = slices.Concat(g.keepers, []Role{RoleOperator})
	g.managers = slices.Concat(g.watchers, []Role{RoleOwner, RoleAdmin})
	g.everyone = slices.Concat(g.watchers, []Role{RoleOwner, RoleAdmin, RoleOperator, RoleViewer})
	return g
}

// merchantPermissions are about merchants, their people, keys and addresses.
func merchantPermissions() []Permission {
	g := groups()
	return []Permission{
		{OpMerchantCreate, g.staff, false, true},
		{OpMerchantRename, g.staff, false, true},
		{OpMerchantSuspend, g.staff, true, true},
		{OpMerchantResume, g.staff, true, true},
		{OpMerchantList, g.watchers, false, false},
		{OpMerchantView, g.everyone, false, false},

		{OpUserCreate, g.staff, true, true},
		{OpUserDisable, g.staff, true, true},
		{OpUserEnable, g.staff, true, true},
		{OpUserRole, g.staff, true, true},
		{OpUserList, g.managers, false, false},
		{OpUserView, g.watchers, false, false},
		{OpUserResetPassword, g.staff, true, true},
		{OpUserResetSecondFactor, g.staff, true, true},
		{OpUserSignOut, g.staff, false, true}, // ending a session is never made hard

		{OpKeyIssue, g.keepers, true, true},
		{OpKeyRotate, g.keepers, true, true},
		{OpKeyRetire, g.keepers, true, true},
		{OpKeyList, g.everyone, false, false},
		// It changes nothing, but what was asked about which key is written down.
		{OpSignatureCheck, g.testers, false, true},

		{OpAllowlistAdd, g.staff, true, true},
		{OpAllowlistRemove, g.staff, true, true},
		{OpAllowlistList, g.everyone, false, false},
		{OpAllowlistNote, g.staff, true, true},
		{OpAllowlistImport, g.staff, true, true},
		{OpAllowlistCheck, g.everyone, false, false},
		{OpAllowlistRequest, g.keepers, false, true},
		{OpAllowlistWithdraw, g.keepers, false, true},
		{OpAllowlistRequests, g.everyone, false, false},
		{OpAllowlistApprove, g.staff, true, true},
		{OpAllowlistReject, g.staff, true, true},
		{OpAllowlistQueue, g.watchers, false, false},
	}
}

// webhookPermissions are about events and where they go.
func webhookPermissions() []Permission {
	g := groups()
	return []Permission{
		{OpEndpointCreate, g.keepers, true, true},
		{OpEndpointUpdate, g.keepers, true, true},
		{OpEndpointEnable, g.keepers, true, true},
		{OpEndpointDisable, g.keepers, true, true},
		{OpEndpointDelete, g.keepers, true, true},
		{OpEndpointSecret, g.keepers, true, true},
		{OpEndpointTest, g.testers, false, true},
		{OpEndpointList, g.everyone, false, false},
		{OpEndpointView, g.everyone, false, false},

		// No user of a merchant may, and there are too many for the audit trail: the
		// events are their own record.
		{OpEventIngest, []Role{RoleLocal, RoleService}, false, false},

		{OpDeliveryList, g.everyone, false, false},
		{OpDeliveryView, g.everyone, false, false},
		{OpDeliveryCount, g.keepers, false, false},
		{OpDeliveryReplay, g.keepers, true, true},
	}
}

// platformPermissions are about the platform itself.
func platformPermissions() []Permission {
	g := groups()
	return []Permission{
		{OpServiceTokenIssue, g.admins, true, true},
		{OpServiceTokenRevoke, g.admins, true, true},
		{OpServiceTokenList, g.watchers, false, false},

		{OpStaffBootstrap, g.local, false, true},
		{OpStaffCreate, g.admins, true, true},
		{OpStaffDisable, g.admins, true, true},
		{OpStaffEnable, g.admins, true, true},
		{OpStaffRole, g.admins, true, true},
		{OpStaffResetPassword, g.admins, true, true},
		{OpStaffResetSecondFactor, g.admins, true, true},
		{OpStaffSignOut, g.admins, false, true},
		{OpStaffList, g.watchers, false, false},
		{OpStaffView, g.watchers, false, false},

		{OpApprovalApprove, g.admins, true, true},
		{OpApprovalReject, g.admins, true, true},
		{OpApprovalWithdraw, g.staff, false, true},
		{OpApprovalList, g.watchers, false, false},
		{OpApprovalView, g.watchers, false, false},

		// Ending a token is never made hard.
		{OpStaffTokenIssue, g.watchers, true, true},
		{OpStaffTokenRevoke, g.watchers, false, true},
		{OpStaffTokenList, g.watchers, false, false},

		{OpAuditList, g.managers, false, false},
		{OpAuditVerify, g.watchers, false, false},

		{OpSystemStatus, g.watchers, false, false},
		{OpSystemBackup, g.local, false, true},
		{OpKeyringStatus, g.admins, false, false},
		{OpKeyringRotate, g.local, false, true},
		{OpKeyringRotateRoot, g.local, false, true},
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
