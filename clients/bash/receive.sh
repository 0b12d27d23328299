#!/usr/bin/env bash
# Receive one webhook on standard input and answer on standard output, as inetd,
# a systemd socket with Accept=yes, or socat would have it:
#   UNK_WEBHOOK_SECRET=whsec_… socat TCP-LISTEN:PORT,bind=127.0.0.1,reuseaddr,fork EXEC:./receive.sh
set -euo pipefail
. "$(dirname "$0")/unknownpay.sh"

body=$(mktemp)
trap 'rm -f "$body"' EXIT
id='' timestamp='' signatures='' length=0
read -r _request_line
while IFS= read -r line && line=${line%$'\r'} && [[ -n $line ]]; do
  value=${line#*:} value=${value# }
  case ${line%%:*} in
    [Ww]ebhook-[Ii]d) id=$value ;;
    [Ww]ebhook-[Tt]imestamp) timestamp=$value ;;
    [Ww]ebhook-[Ss]ignature) signatures=$value ;;
    [Cc]ontent-[Ll]ength) length=$value ;;
  esac
done
head --bytes "$length" >"$body"

if unk_verify_webhook "$UNK_WEBHOOK_SECRET" "$id" "$timestamp" "$signatures" "$body"; then
  # webhook-id stays the same over retries: remember it, and act once.
  printf '%s %s\n' "$id" "$(grep -o '"type":"[a-z.]*"' "$body")" >&2
  printf 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'
else
  printf 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
fi
