"use strict";
// The runtime of Node.js 4.3, 6.10 and 8.10, for which AWS published no client. Node 4 reads all of it.
const api = require("./client/api");
const errors = require("./client/errors");
const invocation = require("./client/invocation");
const load = require("./client/load");
const log = require("./client/log");

let current = null; // the invocation that is being answered

log.patch(() => (current ? current.context.awsRequestId : undefined));

process.on("uncaughtException", (error) => {
  process.stdout.write(`${errors.text(error)}\n`);
  if (!current) return leave(); // between invocations; the platform starts another process
  const id = current.context.awsRequestId;
  api.fail(id, errors.exited(id)).then(leave, leave);
});

// nothing is left to be done: the moment for which a callback waits, or the end of a handler that never answers
process.on("beforeExit", () => current && current.settle());

function leave() {
  process.exit(1);
}

function serve(handler) {
  api.next().then((request) => {
    current = invocation.start(request, (error, body) => {
      const id = current.context.awsRequestId;
      current = null;
      (error ? api.fail(id, error) : api.succeed(id, body)).then(() => serve(handler)).catch(broken);
    });
    current.run(handler, request.body);
  }).catch(broken);
}

function broken(error) {
  process.stdout.write(`the Runtime API does not answer: ${error.message}\n`);
  leave();
}

let handler;
try {
  handler = load.handler(process.env.LAMBDA_TASK_ROOT || "/var/task", process.argv[2]);
} catch (error) {
  process.stdout.write(`${error.told || "module initialization error"}: ${errors.text(error)}\n`);
  api.failToStart(errors.json(error)).then(leave, leave);
}
if (handler) serve(handler);
