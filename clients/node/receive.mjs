// Receive webhooks: UNK_WEBHOOK_SECRET=whsec_… node receive.mjs PORT
import { createServer } from "node:http";
import { verifyWebhook } from "./unknownpay.mjs";

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!verifyWebhook(process.env.UNK_WEBHOOK_SECRET, request.headers, body)) {
    response.writeHead(401).end();
    return;
  }
  // webhook-id stays the same over retries: remember it, and act once.
  console.log(request.headers["webhook-id"], JSON.parse(body).type);
  response.writeHead(204).end();
}).listen(Number(process.argv[2]), "127.0.0.1");
