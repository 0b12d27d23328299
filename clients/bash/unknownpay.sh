# Sign requests to UnknownPay and verify its webhooks, with openssl. Source it.
#
# openssl takes keys as arguments, which other users of the same machine can
# see while it runs: use this to try things out, and a program in production.

# unk_sign KEY_ID SECRET METHOD URL [BODY_FILE] prints the four headers that sign
# this request, a line each. Call it anew for every attempt.
unk_sign() {
  local key_id=$1 secret=$2 method=${3^^} url=$4 body_file=${5:-/dev/null}
  local scheme=${url%%://*} rest=${url#*://}
  rest=${rest%%#*}
  local host=${rest%%[/?]*}
  # The target exactly as it goes over the wire: never decode, sort or re-encode it.
  local target=${rest#"$host"}
  [[ $target == /* ]] || target=/$target
  host=${host,,}
  case $scheme in
    https) host=${host%:443} ;;
    http) host=${host%:80} ;;
  esac
  local timestamp nonce body_hash mac
  timestamp=$(date +%s)
  nonce=$(openssl rand -hex 16)
  body_hash=$(openssl dgst -sha256 -r <"$body_file" | cut -d' ' -f1)
  # The secret is used as the text you were shown. Do not decode it.
  mac=$(printf 'UNK1-HMAC-SHA256\n%s\n%s\n%s\n%s\n%s\n%s' \
    "$timestamp" "$nonce" "$method" "$host" "$target" "$body_hash" |
    openssl dgst -sha256 -hmac "$secret" -r | cut -d' ' -f1)
  printf '%s\n' "X-Unk-Key: $key_id" "X-Unk-Timestamp: $timestamp" \
    "X-Unk-Nonce: $nonce" "X-Unk-Signature: v1=$mac"
}

# unk_verify_webhook SECRET ID TIMESTAMP SIGNATURES BODY_FILE succeeds if the
# webhook is UnknownPay's. ID, TIMESTAMP and SIGNATURES are the webhook-* headers.
unk_verify_webhook() {
  local secret=$1 id=$2 timestamp=$3 signatures=$4 body_file=$5
  [[ -n $id && $timestamp =~ ^[0-9]{1,12}$ ]] || return 1
  local age=$(($(date +%s) - 10#$timestamp))
  ((${age#-} <= 300)) || return 1
  # This secret, unlike the API secret, is base64 after its prefix.
  local key expected candidate
  key=$(printf %s "${secret#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
  expected=v1,$({ printf '%s.%s.' "$id" "$timestamp" && cat "$body_file"; } |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
  # While a secret is being rotated there are two signatures; one good one is enough.
  for candidate in $signatures; do
    [[ $candidate == "$expected" ]] && return 0
  done
  return 1
}
