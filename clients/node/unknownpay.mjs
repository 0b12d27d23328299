// Sign requests to UnknownPay and verify its webhooks. Node.js 18 or newer, no dependencies.
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** The four headers that sign this request. Call it anew for every attempt. */
export function sign(keyId, secret, method, url, body = "") {
  // URL lower-cases the host and drops the default port; path and query stay as they are written.
  const { host, pathname, search } = new URL(url);
  const timestamp = Math.floor(Date.now() / 1000).toString();
  const nonce = randomBytes(16).toString("hex");
  const stringToSign = [
    "UNK1-HMAC-SHA256", timestamp, nonce, method.toUpperCase(), host, pathname + search,
    createHash("sha256").update(body).digest("hex"),
  ].join("\n");
  // The secret is used as the text you were shown. Do not decode it.
  const mac = createHmac("sha256", secret).update(stringToSign).digest("hex");
  return {
    "X-Unk-Key": keyId,
    "X-Unk-Timestamp": timestamp,
    "X-Unk-Nonce": nonce,
    "X-Unk-Signature": "v1=" + mac,
  };
}

/** Whether this webhook is UnknownPay's. headers: names in lower case. body: the bytes as received. */
export function verifyWebhook(secret, headers, body, toleranceSeconds = 300) {
  const id = headers["webhook-id"], timestamp = headers["webhook-timestamp"];
  if (!id || !/^\d+$/.test(timestamp ?? "")) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > toleranceSeconds) return false;
  // This secret, unlike the API secret, is base64 after its prefix.
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const expected = Buffer.from(
    "v1," + createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64"));
  // While a secret is being rotated there are two signatures; one good one is enough.
  return (headers["webhook-signature"] ?? "").split(" ").some((candidate) => {
    const given = Buffer.from(candidate);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}
