// Checks an OpenAPI document, and what was sent and answered against it. Standard
// input: {"document", "exchanges": [{"path", "method", "status", "media", "request",
// "answer"}]}, path as in the document; request and answer are JSON values, or
// missing. Standard output: a JSON array of what is wrong.
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { Validator } from "@seriousme/openapi-schema-validator";

const { document, exchanges } = JSON.parse(readFileSync(0, "utf8"));
const wrong = [];

const validator = new Validator();
const result = await validator.validate(structuredClone(document));
if (!result.valid) wrong.push(`the document: ${JSON.stringify(result.errors)}`);
if (validator.version !== "3.1") wrong.push(`the document is of version ${validator.version}`);
validator.resolveRefs(); // throws at one that leads nowhere

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addFormat("int64", { type: "number", validate: Number.isInteger });
ajv.addSchema(document, "document");

const pointer = (...steps) =>
  "document#" + steps.map((s) => "/" + encodeURIComponent(s.replaceAll("~", "~0").replaceAll("/", "~1"))).join("");

const fits = (what, value, ...steps) => {
  const validate = ajv.getSchema(pointer(...steps));
  if (!validate) wrong.push(`${what}: the document has nothing at ${steps.join(" ")}`);
  else if (!validate(value)) wrong.push(`${what}: ${ajv.errorsText(validate.errors)}`);
};

for (const { path, method, status, media, request, answer } of exchanges) {
  const what = `${method} ${path} ${status}`;
  const route = document.paths[path]?.[method];
  if (!route) {
    wrong.push(`${what}: the document does not have it`);
    continue;
  }
  const body = route.requestBody?.content["application/json"];
  if (request !== undefined && !body) wrong.push(`${what}: the document has no body for it`);
  else if (request !== undefined) fits(`${what} request`, request, "paths", path, method, "requestBody", "content", "application/json", "schema");
  if (status >= 400 || status === 202) fits(what, answer, "components", "responses", "Problem", "content", media, "schema");
  else fits(what, answer, "paths", path, method, "responses", String(status), "content", media, "schema");
}

console.log(JSON.stringify(wrong));
