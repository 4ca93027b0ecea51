"use strict";
// The console's lines: time, request id, text, between tabs; line feeds in the text become carriage returns.
const util = require("util");

/** Have the console write such lines; `requestId` tells the current one. */
exports.patch = (requestId) => {
  function write() {
    const text = util.format.apply(null, arguments).replace(/\n/g, "\r");
    process.stdout.write(`${new Date().toISOString()}\t${requestId()}\t${text}\n`);
  }
  ["log", "info", "warn", "error"].forEach((name) => {
    console[name] = write;
  });
};
