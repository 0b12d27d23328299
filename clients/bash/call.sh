#!/usr/bin/env bash
# Send one signed request: UNK_KEY_ID=… UNK_SECRET=… ./call.sh METHOD URL [BODY]
set -euo pipefail
. "$(dirname "$0")/unknownpay.sh"

method=$1 url=$2 body=${3:-}
file=$(mktemp)
trap 'rm -f "$file"' EXIT
printf %s "$body" >"$file"

args=(--silent --show-error --max-time 30 --request "$method" --path-as-is --globoff)
while IFS= read -r header; do args+=(--header "$header"); done \
  < <(unk_sign "$UNK_KEY_ID" "$UNK_SECRET" "$method" "$url" "$file")
[[ -z $body ]] || args+=(--header 'Content-Type: application/json' --data-binary "@$file")

# A refusal says why: {"error":{"code":…,"message":…,"doc_url":…}}
answer=$(curl "${args[@]}" --write-out '\n%{http_code}' "$url")
status=${answer##*$'\n'}
printf '%s\n%s\n' "$status" "${answer%$'\n'*}"
[[ $status == 2?? ]]
