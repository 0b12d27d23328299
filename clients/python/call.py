"""Send one signed request: UNK_KEY_ID=… UNK_SECRET=… python3 call.py METHOD URL [BODY]"""
import os
import sys
import urllib.error
import urllib.request

from unknownpay import sign

method, url = sys.argv[1], sys.argv[2]
body = sys.argv[3].encode() if len(sys.argv) > 3 else b""

headers = sign(os.environ["UNK_KEY_ID"], os.environ["UNK_SECRET"], method, url, body)
if body:
    headers["Content-Type"] = "application/json"
request = urllib.request.Request(url, data=body or None, headers=headers, method=method)
try:
    with urllib.request.urlopen(request, timeout=30) as answer:
        print(answer.status)
        print(answer.read().decode())
except urllib.error.HTTPError as refused:
    # The body says why: {"error":{"code":…,"message":…,"doc_url":…}}
    print(refused.code)
    print(refused.read().decode())
    sys.exit(1)
