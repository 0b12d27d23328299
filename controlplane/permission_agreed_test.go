package controlplane_test

// The table as it was agreed on. A change of a right has to be made here too,
// where it stands out in a review. "sudo" asks for a fresh confirmation, "reads"
// stays allowed to the users of a suspended merchant.
const agreedPermissions = `
merchant.create       local platform_admin platform_operator
merchant.rename       local platform_admin platform_operator
merchant.suspend sudo local platform_admin platform_operator
merchant.resume sudo  local platform_admin platform_operator
merchant.list reads   local platform_admin platform_operator auditor
merchant.view reads   local platform_admin platform_operator auditor owner admin operator viewer
user.create sudo      local platform_admin platform_operator
user.disable sudo     local platform_admin platform_operator
user.enable sudo      local platform_admin platform_operator
user.role sudo        local platform_admin platform_operator
user.sign_out         local platform_admin platform_operator
user.list reads       local platform_admin platform_operator auditor owner admin
user.view reads       local platform_admin platform_operator auditor
user.reset_password sudo     local platform_admin platform_operator
user.reset_second_factor sudo     local platform_admin platform_operator
key.issue sudo        local owner admin
key.rotate sudo       local owner admin
key.retire sudo       local owner admin
key.list reads        local platform_admin platform_operator auditor owner admin operator viewer
allowlist.add sudo    local platform_admin platform_operator
allowlist.remove sudo local platform_admin platform_operator
allowlist.note sudo   local platform_admin platform_operator
allowlist.import sudo local platform_admin platform_operator
allowlist.queue reads local platform_admin platform_operator auditor
signature.check       local owner admin operator
allowlist.list reads  local platform_admin platform_operator auditor owner admin operator viewer
allowlist.check reads local platform_admin platform_operator auditor owner admin operator viewer
allowlist.simulate reads local platform_admin platform_operator auditor owner admin
allowlist.request     local owner admin
allowlist.withdraw    local owner admin
allowlist.requests reads local platform_admin platform_operator auditor owner admin operator viewer
allowlist.approve sudo local platform_admin platform_operator
allowlist.reject sudo local platform_admin platform_operator
endpoint.create sudo  local owner admin
endpoint.update sudo  local owner admin
endpoint.enable sudo  local owner admin
endpoint.disable sudo local owner admin
endpoint.delete sudo  local owner admin
endpoint.rotate_secret sudo local owner admin
endpoint.test         local owner admin operator
endpoint.list reads   local platform_admin platform_operator auditor owner admin operator viewer
endpoint.view reads   local platform_admin platform_operator auditor owner admin operator viewer
event.ingest reads    local service
delivery.list reads   local platform_admin platform_operator auditor owner admin operator viewer
delivery.view reads   local platform_admin platform_operator auditor owner admin operator viewer
delivery.replay_count reads local owner admin
delivery.replay sudo  local owner admin
request.list reads    local platform_admin platform_operator auditor owner admin operator viewer
request.count reads   local platform_admin platform_operator auditor owner admin operator viewer
request.view reads    local platform_admin platform_operator auditor owner admin operator viewer
request.unknown reads local platform_admin platform_operator auditor
service_token.issue sudo local platform_admin
service_token.revoke sudo local platform_admin
service_token.list reads local platform_admin platform_operator auditor
staff_token.issue sudo local platform_admin platform_operator auditor
staff_token.revoke    local platform_admin platform_operator auditor
staff_token.list reads local platform_admin platform_operator auditor
staff.bootstrap       local
staff.create sudo     local platform_admin
staff.disable sudo    local platform_admin
staff.enable sudo     local platform_admin
staff.role sudo       local platform_admin
staff.reset_password sudo local platform_admin
staff.reset_second_factor sudo local platform_admin
staff.sign_out        local platform_admin
staff.list reads      local platform_admin platform_operator auditor
staff.view reads      local platform_admin platform_operator auditor
approval.approve sudo local platform_admin
approval.reject sudo  local platform_admin
approval.withdraw     local platform_admin platform_operator
approval.list reads   local platform_admin platform_operator auditor
approval.view reads   local platform_admin platform_operator auditor
audit.list reads      local platform_admin platform_operator auditor owner admin
audit.verify reads    local platform_admin platform_operator auditor
system.status reads   local platform_admin platform_operator auditor
system.backup         local
keyring.status reads  local platform_admin
keyring.rotate        local
keyring.rotate_root   local
`
