"""Sign requests to UnknownPay and verify its webhooks. Python 3.8 or newer, no dependencies."""
import base64
import hashlib
import hmac
import secrets
import time
from urllib.parse import urlsplit


def sign(key_id, secret, method, url, body=b""):
    """Return the four headers that sign this request. Call it anew for every attempt."""
    parts = urlsplit(url)
    host = parts.netloc.lower()
    default_port = {"https": ":443", "http": ":80"}[parts.scheme]
    if host.endswith(default_port):
        host = host[: -len(default_port)]
    # The target exactly as it goes over the wire: never decode, sort or re-encode it.
    target = (parts.path or "/") + ("?" + parts.query if "?" in url.split("#")[0] else "")
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
    string_to_sign = "\n".join([
        "UNK1-HMAC-SHA256", timestamp, nonce, method.upper(), host, target,
        hashlib.sha256(body).hexdigest(),
    ])
    # The secret is used as the text you were shown. Do not decode it.
    mac = hmac.new(secret.encode(), string_to_sign.encode(), hashlib.sha256).hexdigest()
    return {
        "X-Unk-Key": key_id,
        "X-Unk-Timestamp": timestamp,
        "X-Unk-Nonce": nonce,
        "X-Unk-Signature": "v1=" + mac,
    }


def verify_webhook(secret, headers, body, tolerance=300):
    """Whether this webhook is UnknownPay's. headers: names in lower case. body: the bytes as received."""
    event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (event_id and timestamp.isascii() and timestamp.isdigit()):
        return False
    if abs(time.time() - int(timestamp)) > tolerance:
        return False
    # This secret, unlike the API secret, is base64 after its prefix.
    key = base64.b64decode(secret[len("whsec_"):])
    signed = event_id.encode() + b"." + timestamp.encode() + b"." + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # While a secret is being rotated there are two signatures; one good one is enough.
    return any(
        hmac.compare_digest(expected.encode(), candidate.encode())
        for candidate in headers.get("webhook-signature", "").split(" ")
    )
