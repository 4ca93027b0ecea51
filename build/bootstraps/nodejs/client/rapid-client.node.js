"use strict";
// Stands in for aws-lambda-ric's native addon, the one part of AWS's client that is compiled per architecture.
// Requiring the addon finds this file because Node tries a name with `.js` after it next. The same three functions
// in every version of the client: next() -> {bodyJson, headers}; done(id, body); error(id, body, xrayCause); and
// initializeClient(userAgent) in version 1. Node 10 reads this.
const http = require("http");

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const base = "/2018-06-01/runtime/invocation/";
const standing = {}; // headers of every request
const CAUSE = "Lambda-Runtime-Function-XRay-Error-Cause";
const LONGEST_CAUSE = 1 << 16; // bytes; servers refuse requests with longer headers, and the error with them

// The addon posts synchronously. Here the next request waits for the post before it, and so does the exit that
// AWS's client asks for once it has posted.
let posted = Promise.resolve();
let posting = 0;
const exit = process.exit;
process.exit = (code) => {
  if (posting === 0) exit.call(process, code);
  posted.then(() => exit.call(process, code));
};

let asking = false; // for the next invocation, which may take long: what is posted meanwhile needs another connection

function send(method, path, headers, body) {
  const all = Object.assign({}, standing, headers);
  const options = { hostname, port, path: base + path, method, agent: asking ? false : agent, headers: all };
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
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
  const asked = send("GET", "next", {});
  asking = true;
  const { response, body } = await asked;
  asking = false;
  if (response.statusCode !== 200) {
    throw new Error(`Failed to get next invocation, error ${response.statusCode}`);
  }
  // the addon makes a number of the deadline, which version 1 cannot read; the text, every version can
  return { bodyJson: body.toString("utf8"), headers: response.headers };
}

function post(path, text, extra) {
  const body = Buffer.from(text, "utf8");
  const headers = Object.assign({ "Content-Type": "application/json", "Content-Length": body.length }, extra);
  posting += 1;
  posted = send("POST", path, headers, body)
    .catch((error) => console.error(`posting to the Runtime API failed: ${error.message}`))
    .then(() => { posting -= 1; });
}

// JSON in a header: whatever is not ASCII is written as JSON's escapes
function inHeader(json) {
  return json.replace(/[^\x20-\x7e]/g, (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"));
}

module.exports = {
  initializeClient: (userAgent) => { standing["User-Agent"] = userAgent; },
  next,
  done: (id, body) => post(`${id}/response`, body, {}),
  error: (id, body, cause) => {
    const text = inHeader(cause || "");
    post(`${id}/error`, body, text && text.length <= LONGEST_CAUSE ? { [CAUSE]: text } : {});
  },
};
