// SPDX-License-Identifier: Apache-2.0
// Calls of the EC2 API through @aws-sdk/client-ec2: node ec2.mjs PACKAGES-FOLDER ENDPOINT, region and credentials in the
// environment, a JSON list of [command, parameters] on standard input. An answer or an error's code for each, on standard
// output. What an answer of before holds is told as {"$": [index, member, ...]}.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [packages, endpoint] = process.argv.slice(2);
const sdk = createRequire(packages + "/")("@aws-sdk/client-ec2");
const client = new sdk.EC2Client({ endpoint, maxAttempts: 1 });
const answers = [];

function filled(value) {
  if (Array.isArray(value)) return value.map(filled);
  if (value === null || typeof value !== "object") return value;
  if (value.$) return value.$.slice(1).reduce((from, member) => from[member], answers[value.$[0]]);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, filled(member)]));
}

for (const [command, parameters] of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    const { $metadata, ...answer } = await client.send(new sdk[command + "Command"](filled(parameters)));
    answers.push(answer);
  } catch (error) {
    answers.push({ error: error.name, message: error.message });
  }
}
console.log(JSON.stringify(answers));
