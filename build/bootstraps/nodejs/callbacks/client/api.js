"use strict";
// The Runtime API over one connection that is kept alive. Source: AWS's documentation of the Lambda runtime API.
const http = require("http");

const address = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const BASE = "/2018-06-01/runtime/";

function send(method, path, body) {
  const headers = body ? { "Content-Type": "application/json", "Content-Length": body.length } : {};
  const options = { hostname: address[0], port: address[1], path: BASE + path, method: method, agent: agent, headers: headers };
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => {
        if (response.statusCode < 300) resolve({ headers: response.headers, body: Buffer.concat(chunks).toString("utf8") });
        else if (response.statusCode === 413) resolve(null); // the answer was too long, which the platform reports
        else reject(new Error(`${method} ${path}: ${response.statusCode}`));
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

function post(path, text) {
  return send("POST", path, new Buffer(text, "utf8")); // Node 4.3 has no Buffer.from for text
}

exports.next = () => send("GET", "invocation/next");
exports.succeed = (id, text) => post(`invocation/${id}/response`, text);
exports.fail = (id, error) => post(`invocation/${id}/error`, JSON.stringify(error));
exports.failToStart = (error) => post("init/error", JSON.stringify(error));
