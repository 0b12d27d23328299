#!/usr/bin/env bash
# Starts the demo on loopback, prints requests to paste, and waits for ^C.
#
#   run.sh CADDY
#
# Everything it makes lies in DEMO_DATA; a later run finds it again. The ports are
# DEMO_PORT, DEMO_UPSTREAM_PORT, DEMO_PORTAL_PORT, DEMO_CONSOLE_PORT,
# DEMO_EVENTS_PORT and DEMO_RECEIVER_PORT.
set -euo pipefail

caddy=$(realpath "${1:?usage: run.sh CADDY (build it with: make -f xcaddy.mk build)}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
config=$here/Caddyfile

umask 077
export DEMO_PORT=${DEMO_PORT:-8080} DEMO_UPSTREAM_PORT=${DEMO_UPSTREAM_PORT:-8081} DEMO_PORTAL_PORT=${DEMO_PORTAL_PORT:-8443}
export DEMO_CONSOLE_PORT=${DEMO_CONSOLE_PORT:-8445} DEMO_EVENTS_PORT=${DEMO_EVENTS_PORT:-8082} DEMO_RECEIVER_PORT=${DEMO_RECEIVER_PORT:-8444}
mkdir -p "${DEMO_DATA:=.data}"
DEMO_DATA=$(cd "$DEMO_DATA" && pwd)
DEMO_BIND=127.0.0.1
[[ ! -r /proc/net/if_inet6 ]] || ! grep -q '^0\{31\}1 ' /proc/net/if_inet6 || DEMO_BIND+=' ::1'
# Caddy's own files stay in the demo's folder too.
export DEMO_DATA DEMO_BIND XDG_DATA_HOME=$DEMO_DATA/caddy XDG_CONFIG_HOME=$DEMO_DATA/caddy
export DEMO_RECEIVER_CA=$DEMO_DATA/receiver/caddy/pki/authorities/local/root.crt

secret_file=$DEMO_DATA/demo.secret
key_file=$DEMO_DATA/demo.key
password_file=$DEMO_DATA/demo.password
staff_file=$DEMO_DATA/demo.staff-password
token_file=$DEMO_DATA/demo.token
signing_file=$DEMO_DATA/demo.signing-secret
webhooks=$DEMO_DATA/webhooks.log
log=$DEMO_DATA/caddy.log
output=$DEMO_DATA/caddy.out
server=
receiver=

fail() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

port_free() {
	local address
	for address in $DEMO_BIND; do
		! (exec 3<>"/dev/tcp/$address/$1") 2>/dev/null || return 1
	done
}

check_place() {
	# A unix socket's path has room for 107 bytes.
	((${#DEMO_DATA} <= 90)) || fail "the path $DEMO_DATA is too long for a socket in it; set DEMO_DATA to a shorter one"
	local name
	for name in DEMO_PORT DEMO_UPSTREAM_PORT DEMO_PORTAL_PORT DEMO_CONSOLE_PORT DEMO_EVENTS_PORT DEMO_RECEIVER_PORT; do
		port_free "${!name}" ||
			fail "port ${!name} is in use (by another demo?); choose one with: make -f xcaddy.mk run $name=$((${!name} + 1000))"
	done
}

# wait_for PROCESS PORT...: until it listens on the ports.
wait_for() {
	local process=$1 port i
	shift
	for port; do
		for ((i = 0; i < 300; i++)); do
			port_free "$port" || continue 2
			kill -0 "$process" 2>/dev/null || return 1
			sleep 0.1
		done
		return 1
	done
}

# The receiver comes first: the gateway has to know the authority that signed its
# certificate.
start_receiver() {
	XDG_DATA_HOME=$DEMO_DATA/receiver "$caddy" run --config "$here/receiver.Caddyfile" --adapter caddyfile </dev/null >"$output" 2>&1 &
	receiver=$!
	wait_for "$receiver" "$DEMO_RECEIVER_PORT" && return
	tail -n 5 "$output" >&2
	fail "the receiver did not start; its log is $DEMO_DATA/receiver.log"
}

start() {
	"$caddy" run --config "$config" --adapter caddyfile </dev/null >"$output" 2>&1 &
	server=$!
	wait_for "$server" "$DEMO_PORT" "$DEMO_UPSTREAM_PORT" "$DEMO_PORTAL_PORT" "$DEMO_CONSOLE_PORT" "$DEMO_EVENTS_PORT" && return
	tail -n 5 "$output" >&2
	fail "Caddy did not start; its log is $log"
}

# A ^C in a terminal reaches Caddy as well. A second SIGINT would make it quit at
# once, a SIGTERM does not. The receiver goes last: it may be answering.
stop() {
	local running all="$server $receiver"
	server='' receiver=''
	for running in $all; do
		kill -TERM "$running" 2>/dev/null || true
		while kill -0 "$running" 2>/dev/null; do
			wait "$running" || true
		done
	done
}

interrupted() {
	trap '' INT TERM HUP
	stop
	printf '\nstopped; the data is in %s\n' "$DEMO_DATA"
	exit 0
}

merchants() { "$caddy" merchants "$@" --address "unix/$DEMO_DATA/admin.sock"; }

# value NAME prints the first string of that name in the JSON on standard input. The
# values asked for are ids and secrets, which need no unescaping.
value() { sed -n 's/^ *"'"$1"'": "\([^"]*\)".*/\1/p' | sed -n 1p; }

find_merchant() {
	merchant=$(merchants merchant list --search 'Demo merchant' --json | value id)
	[[ -n $merchant ]] ||
		merchant=$(merchants merchant create --name 'Demo merchant' --json | sed -n 's/.*"\(mer_[^"]*\)".*/\1/p' | sed -n 1p)
}

# find_key keeps the key of an earlier run while both halves of it are there.
find_key() {
	local active issued change=(issue)
	active=$(merchants key list --merchant "$merchant" --env test | awk '$3 == "active" { print $1 }')
	if [[ -n $active && -s $secret_file && -s $key_file && $(<"$key_file") == "$active" ]]; then
		key=$active
		return
	fi
	[[ -z $active ]] || change=(rotate --overlap 0)
	# What it says on standard error is that the secret is shown only once.
	issued=$(merchants key "${change[@]}" --merchant "$merchant" --env test --json 2>"$DEMO_DATA/issue.err") ||
		fail "$(<"$DEMO_DATA/issue.err")"
	value secret <<<"$issued" >"$secret_file"
	key=$(sed -n 's/^ *"id": "\(unk_test_[^"]*\)".*/\1/p' <<<"$issued" | sed -n 1p)
	printf '%s\n' "$key" >"$key_file"
}

# The password is the one that the platform team would hand over. It dies unused
# after 72 hours, and at the first sign-in.
find_owner() {
	[[ -s $password_file ]] && return
	merchants user create --merchant "$merchant" --username demo-owner --role owner --json 2>"$DEMO_DATA/user.err" |
		value initial_password >"$password_file" || fail "$(<"$DEMO_DATA/user.err")"
}

# The first of the platform's own people; the password dies unused after 24 hours.
find_staff() {
	[[ -s $staff_file ]] && return
	merchants bootstrap --username demo-staff --json 2>"$DEMO_DATA/staff.err" | value initial_password >"$staff_file" || fail "$(<"$DEMO_DATA/staff.err")"
}

allow() {
	merchants allowlist list --merchant "$merchant" | grep -qF " $1 " ||
		merchants allowlist add --merchant "$merchant" --cidr "$1" --note 'this machine, for the demo' >/dev/null
}

find_token() {
	[[ -s $token_file ]] && return
	merchants service-token issue --name 'the demo' --json 2>"$DEMO_DATA/token.err" | value secret >"$token_file" || fail "$(<"$DEMO_DATA/token.err")"
}

find_endpoint() {
	local url=https://127.0.0.1:$DEMO_RECEIVER_PORT/webhooks
	! merchants endpoint list --merchant "$merchant" --env test | grep -qF " $url" || return 0
	merchants endpoint create --merchant "$merchant" --env test --url "$url" --json 2>"$DEMO_DATA/endpoint.err" |
		value secret >"$signing_file" || fail "$(<"$DEMO_DATA/endpoint.err")"
}

send_events() {
	local type
	for type in deposit.{success,expired} withdrawal.{success,rejected,failed,refunded}; do
		merchants event send --merchant "$merchant" --env test --type "$type" --data '{"id":"demo_1","amount":1000,"currency":"THB"}' >/dev/null
	done
}

# event prints a request that hands one more event in.
event() {
	printf '%s' "curl -i -H 'Content-Type: application/json' -H \"Authorization: Bearer \$(cat $(printf %q "$token_file"))\" -H \"Idempotency-Key: \$RANDOM\$RANDOM\"" \
		" --data '{\"merchant_id\":\"$merchant\",\"environment\":\"test\",\"type\":\"deposit.success\",\"data\":{\"id\":\"dep_1\"}}' http://127.0.0.1:$DEMO_EVENTS_PORT/v1/events"
}

url() { printf 'http://127.0.0.1:%s/v1/payments' "$DEMO_PORT"; }
body='{"amount":1000,"currency":"THB"}'

sign() { "$caddy" merchants sign --key "$key" --secret-file "$secret_file" --curl --data "$body" POST "$(url)"; }

explain() {
	cat <<TEXT

The gateway is on $(url), merchant $merchant, key $key.

Passes, once. Paste it again and it is REQUEST_REPLAYED; after five minutes it is TIMESTAMP_OUT_OF_RANGE:

$(sign)

Comes from an address that is not in the allowlist, IP_NOT_ALLOWED:

$(sign | sed 's/^curl /curl --interface 127.0.0.2 /')

Prints a fresh signed line (add "| sh" to send it):

$(printf '%q ' "$caddy" merchants sign --key "$key" --secret-file "$secret_file" --curl)--data '$body' POST $(url)

The merchant portal is on https://localhost:$DEMO_PORTAL_PORT/ (your browser warns of the demo's own certificate).
Its owner signs in for the first time as demo-owner with the password $(<"$password_file")

The platform's console is on https://console.localhost:$DEMO_CONSOLE_PORT/. Its first member of staff signs in as demo-staff with the password
$(<"$staff_file") and sets up an authenticator app.

One event of each type was sent to the merchant's endpoint, https://127.0.0.1:$DEMO_RECEIVER_PORT/webhooks. Watch them arrive:

tail -n +1 -f $(printf %q "$webhooks")

Hands one more in, as a backend of the platform does:

$(event)

Shows what became of them:

$(printf '%q ' "$caddy")merchants delivery list --merchant $merchant --env test --address $(printf %q "unix/$DEMO_DATA/admin.sock")

Shows the merchant's allowlist; the other commands work the same way:

$(printf '%q ' "$caddy")merchants allowlist list --merchant $merchant --address $(printf %q "unix/$DEMO_DATA/admin.sock")

The database, the key and its secret lie in $DEMO_DATA, the log is $log.
^C stops the demo.
TEXT
}

check_place
trap interrupted INT TERM HUP
trap stop EXIT
start_receiver
start
find_merchant
find_key
find_owner
find_staff
for range in 127.0.0.1/32 ::1/128; do
	allow "$range"
done
find_token
find_endpoint
send_events
explain
wait "$server" || true
[[ -z $server ]] || { tail -n 5 "$output" >&2; fail "Caddy stopped by itself; its log is $log"; }
