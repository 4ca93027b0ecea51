"use strict";
// One call of the handler: its context object, and the several ways in which it may answer.
const errors = require("./errors");

const PROMISES = parseInt(process.versions.node, 10) >= 8; // from here on a handler may return one

function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const id = headers["lambda-runtime-aws-request-id"];
  return {
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: id,
    invokeid: id,
    clientContext: parsed(headers["lambda-runtime-client-context"]),
    identity: parsed(headers["lambda-runtime-cognito-identity"]),
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
  };
}

function parsed(text) {
  return text ? JSON.parse(text) : undefined;
}

/** The text of an answer, or the error of one that is no JSON. */
function serialized(value, then) {
  let text;
  try {
    text = JSON.stringify(value === undefined ? null : value);
  } catch (error) {
    const refused = new Error(`Unable to stringify body as json: ${error.message}`);
    refused.name = error.name;
    return then(errors.json(refused));
  }
  then(null, text === undefined ? "null" : text); // a function has no JSON
}

/** Begin an invocation; `answered(error, body)` is called once. */
exports.start = (request, answered) => {
  const context = contextOf(request.headers);
  let open = true;
  let waiting = null; // what is answered when nothing is left to be done

  function settle() {
    const answer = waiting || (() => finish(null, null));
    answer();
  }

  function finish(error, value) {
    if (!open) return;
    open = false;
    if (error === null || error === undefined) return serialized(value, answered);
    console.log(errors.text(error));
    answered(errors.json(error));
  }

  function fail(error) {
    finish(error === undefined || error === null ? "handled" : error);
  }

  function callback(error, value) {
    if (waiting) return; // the first call counts
    waiting = () => finish(error, value);
    if ((error !== null && error !== undefined) || !context.callbackWaitsForEmptyEventLoop) waiting();
  }

  context.done = finish;
  context.succeed = (value) => finish(null, value);
  context.fail = fail;

  function run(handler, body) {
    process.env._X_AMZN_TRACE_ID = request.headers["lambda-runtime-trace-id"] || "";
    // apart from the promises of our client, so that what a handler throws is an uncaught exception
    setImmediate(() => {
      const returned = handler(JSON.parse(body), context, callback);
      if (PROMISES && returned && typeof returned.then === "function") returned.then(context.succeed, fail);
    });
  }

  return { context: context, run: run, settle: settle };
};
