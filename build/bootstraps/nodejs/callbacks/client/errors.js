"use strict";
// Errors as these runtimes answered them: errorMessage, errorType and stackTrace, whose lines are without "at".

function frames(error) {
  const lines = String(error.stack).split("\n");
  return lines.filter((line) => /^\s+at /.test(line)).map((line) => line.replace(/^\s+at /, ""));
}

/** What a function that failed with `error` answers; anything may be thrown, not only errors. */
exports.json = (error) => {
  if (!(error instanceof Error) && !(error && error.stack && error.message)) {
    return { errorMessage: error === undefined || error === null ? null : String(error) };
  }
  return { errorMessage: error.message, errorType: error.name, stackTrace: frames(error) };
};

/** What an uncaught exception answers: it ended the process. */
exports.exited = (id) => ({ errorMessage: `RequestId: ${id} Process exited before completing request` });

/** An error for the log. */
exports.text = (error) => (error && error.stack ? error.stack : String(error));
