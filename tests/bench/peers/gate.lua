-- The checks of UNK1 in nginx: key, time, body and signature. It remembers no nonces,
-- so a request passes a second time. The hashes are those of the OpenSSL that nginx
-- is linked with.
local ffi = require "ffi"

ffi.cdef [[
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
unsigned char *SHA256(const unsigned char *d, size_t n, unsigned char *md);
unsigned char *HMAC(const EVP_MD *md, const void *key, int key_len, const unsigned char *d, size_t n, unsigned char *out, unsigned int *out_len);
int CRYPTO_memcmp(const void *a, const void *b, size_t len);
]]

local C, floor = ffi.C, math.floor
local digest = ffi.new("unsigned char[32]")
local length = ffi.new("unsigned int[1]")
local hex = ffi.new("unsigned char[64]")
local digits = ffi.new("unsigned char[16]", "0123456789abcdef")
local sha256 = C.EVP_sha256()

local gate, secrets = {}, {}

function gate.open(file)
	for line in io.lines(file) do
		local id, secret = line:match("^(%S+) (%S+)$")
		secrets[id] = secret
	end
end

local function hexadecimal()
	for i = 0, 31 do
		local b = digest[i]
		hex[2 * i], hex[2 * i + 1] = digits[floor(b / 16)], digits[b % 16]
	end
	return ffi.string(hex, 64)
end

local function body_hash()
	ngx.req.read_body()
	local body = ngx.req.get_body_data() or ""
	C.SHA256(body, #body, digest)
	return hexadecimal()
end

function gate.check()
	local var = ngx.var
	local secret = secrets[var.http_x_unk_key or ""]
	if not secret then return ngx.exit(401) end
	local timestamp = var.http_x_unk_timestamp
	local age = ngx.time() - (tonumber(timestamp) or 0)
	if age > 300 or age < -300 then return ngx.exit(401) end
	local text = table.concat({
		"UNK1-HMAC-SHA256", timestamp, var.http_x_unk_nonce or "", var.request_method,
		string.lower(var.http_host), var.request_uri, body_hash(),
	}, "\n")
	C.HMAC(sha256, secret, #secret, text, #text, digest, length)
	local want, sent = "v1=" .. hexadecimal(), var.http_x_unk_signature or ""
	if #sent ~= #want or C.CRYPTO_memcmp(sent, want, #want) ~= 0 then return ngx.exit(401) end
end

return gate
