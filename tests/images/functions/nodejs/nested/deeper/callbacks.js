'use strict';
// Handlers of the callback kind, which runtimes before Node 24 take. Node 4 reads this.
exports.answers = (event, context, callback) => callback(null, event);

exports.fails = (event, context, callback) => callback(new TypeError('no'));

exports.failsWithText = (event, context, callback) => callback('no');

exports.done = (event, context) => context.done(null, event);

exports.succeeds = (event, context) => context.succeed(event);

exports.failsByContext = (event, context) => context.fail(new TypeError('no'));

exports.neverAnswers = () => {};

exports.throws = () => { throw new TypeError('no'); };

// answers when the timer has run, for the event loop is not empty before
exports.waits = (event, context, callback) => {
  setTimeout(() => console.log('fired'), 50);
  callback(null, 'answered');
};

// answers at once, whatever is still to be done
exports.answersAtOnce = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => console.log('fired'), 5000);
  callback(null, 'answered');
};

exports.inside = { object: { handler: exports.answers } };
