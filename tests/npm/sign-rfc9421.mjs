// Signs requests as a merchant's server with an npm package for RFC 9421 does, and
// sends them. Standard input: a JSON object with the gateway's addresses, the key and
// an array of cases. Standard output: a JSON array with status and body of each
// answer.
import { createHash, createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import tls from "node:tls";
import { createSignature } from "http-message-sig";
import { createSigner, httpbis } from "http-message-signatures";

const { plain, secure, serverName, ca, keyId, secret, cases } = JSON.parse(readFileSync(0, "utf8"));

const parameters = () => ({ created: Math.floor(Date.now() / 1000), keyid: keyId, nonce: randomBytes(16).toString("hex"), alg: "hmac-sha256" });

// Each package gets what its documentation asks for, and returns the two headers.
const libraries = {
  async "http-message-signatures"({ method, url, headers, components }) {
    const { created, ...values } = parameters();
    const signed = await httpbis.signMessage(
      {
        key: createSigner(secret, "hmac-sha256", keyId),
        fields: components,
        params: ["created", "keyid", "nonce", "alg"],
        paramValues: { ...values, created: new Date(created * 1000) },
      },
      { method, url, headers },
    );
    return { Signature: signed.headers.Signature, "Signature-Input": signed.headers["Signature-Input"] };
  },

  // It brings no HMAC: a signer is one's own.
  async "http-message-sig"({ method, url, headers, components }) {
    const signer = { algorithm: "hmac-sha256", sign: (base) => createHmac("sha256", secret).update(base).digest() };
    const fields = Object.entries(headers).map(([name, value]) => ({ name, value }));
    const message = { kind: "request", method, targetUri: url, fields };
    const signed = await createSignature(message, { components, parameters: parameters(), signer });
    return { Signature: signed.signature, "Signature-Input": signed.signatureInput };
  },
};

const collect = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

// node:http sends path and Host as they are; fetch would normalise them.
const send1 = ({ method, target, host, headers, body }) =>
  new Promise((resolve, reject) => {
    const [address, port] = plain.split(":");
    const request = http.request({ host: address, port, method, path: target, agent: false, headers: { ...headers, Host: host } }, async (answer) => {
      resolve({ status: answer.statusCode, body: await collect(answer) });
    });
    request.on("error", reject).end(body || undefined);
  });

const send2 = async ({ method, target, host, headers, body }) => {
  const [address, port] = secure.split(":");
  const socket = tls.connect({ host: address, port, servername: serverName, ca, ALPNProtocols: ["h2"] });
  const session = http2.connect(`https://${host}`, { createConnection: () => socket });
  try {
    const stream = session.request({ ":method": method, ":path": target, ":authority": host, ...headers }, { endStream: !body });
    if (body) stream.end(body);
    const status = await new Promise((resolve, reject) => {
      stream.on("response", (h) => resolve(h[":status"])).on("error", reject);
      session.on("error", reject);
    });
    return { status, body: await collect(stream) };
  } finally {
    session.close();
  }
};

const answers = [];
for (const { library, tls: encrypted, method, target, host, body, idempotencyKey, components } of cases) {
  const headers = {};
  if (body) headers["content-digest"] = `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
  if (idempotencyKey) headers["idempotency-key"] = idempotencyKey;
  const url = `${encrypted ? "https" : "http"}://${host}${target}`;
  Object.assign(headers, await libraries[library]({ method, url, headers, components }));
  answers.push(await (encrypted ? send2 : send1)({ method, target, host, headers, body }));
}
console.log(JSON.stringify(answers));
