// Calls of AWS's JavaScript SDK for the system tests: one call a line on standard input, as JSON
// {"config": {...}, "command": "GetObject", "input": {...}}, one answer a line on standard output.
// Bodies travel as base64 in "Body"; "Stream": true sends the body as a stream of unknown length.
"use strict";
const { createRequire } = require("node:module");
const readline = require("node:readline");
const { Readable } = require("node:stream");

const sdk = createRequire(process.argv[2] + "/")("@aws-sdk/client-mediastore-data");

async function call({ config, command, input, stream }) {
  const client = new sdk.MediaStoreDataClient(config);
  const sent = { ...input };
  if (sent.Body !== undefined) {
    const bytes = Buffer.from(sent.Body, "base64");
    sent.Body = stream ? Readable.from([bytes.subarray(0, 5), bytes.subarray(5)]) : bytes;
  }
  try {
    const found = await client.send(new sdk[command + "Command"](sent));
    const { $metadata, Body, ...members } = found;
    if (Body !== undefined) members.Body = Buffer.from(await Body.transformToByteArray()).toString("base64");
    return { status: $metadata.httpStatusCode, attempts: $metadata.attempts, members };
  } catch (error) {
    return { status: error.$metadata?.httpStatusCode, error: error.name, message: error.message };
  } finally {
    client.destroy();
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin }))
    process.stdout.write(JSON.stringify(await call(JSON.parse(line))) + "\n");
})();
