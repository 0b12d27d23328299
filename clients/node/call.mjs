// Send one signed request: UNK_KEY_ID=… UNK_SECRET=… node call.mjs METHOD URL [BODY]
import { sign } from "./unknownpay.mjs";

const [method, url, body] = process.argv.slice(2);
const headers = sign(process.env.UNK_KEY_ID, process.env.UNK_SECRET, method, url, body);
if (body) headers["Content-Type"] = "application/json";

const answer = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(30_000) });
console.log(answer.status);
console.log(await answer.text()); // a refusal says why: {"error":{"code":…,"message":…,"doc_url":…}}
process.exitCode = answer.ok ? 0 : 1;
