'use strict';
// The same function for runtimes before Node.js 14, which know no ES modules.
exports.handler = (event, context, callback) => {
  callback(null, { greeting: `Hello, ${event.name || 'world'}!` });
};
