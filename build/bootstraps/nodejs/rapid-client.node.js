"use strict";
// Stands in for aws-lambda-ric's native addon, the one part of AWS's client that is compiled per architecture.
// `require("./rapid-client.node")` finds this file because Node tries the name with `.js` after it next.
// Same three functions: next() -> {bodyJson, headers}; done(id, body); error(id, body, xrayCause).
const http = require("node:http");

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const base = "/2018-06-01/runtime/invocation/";

// The addon posts synchronously; here the next request waits for the post before it, and so does the exit.
let posted = Promise.resolve();

function send(method, path, headers, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, path: base + path, method, agent, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ response, body: Buffer.concat(chunks) }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function next() {
  await posted;
  const { response, body } = await send("GET", "next", {});
  if (response.statusCode !== 200) {
    throw new Error(`Failed to get next invocation, error ${response.statusCode}`);
  }
  const headers = { ...response.headers };
  headers["lambda-runtime-deadline-ms"] = Number(headers["lambda-runtime-deadline-ms"]);
  return { bodyJson: body.toString("utf8"), headers };
}

function post(path, text, extra) {
  const body = Buffer.from(text, "utf8");
  const headers = { "Content-Type": "application/json", "Content-Length": body.length, ...extra };
  posted = send("POST", path, headers, body).catch((error) => {
    console.error(`posting to the Runtime API failed: ${error.message}`);
  });
}

module.exports = {
  next,
  done: (id, body) => post(`${id}/response`, body, {}),
  error: (id, body, cause) => post(`${id}/error`, body, { "Lambda-Runtime-Function-XRay-Error-Cause": cause }),
};
