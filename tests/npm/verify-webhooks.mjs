// Verifies deliveries as a merchant's server with the npm package standardwebhooks
// does. Standard input: a JSON array of {"secret", "headers", "body"}. Standard
// output: a JSON array with true for each that the package accepts.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const accepts = ({ secret, headers, body }) => {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch (error) {
    if (error.name !== "WebhookVerificationError") throw error;
    return false;
  }
};

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(accepts)));
