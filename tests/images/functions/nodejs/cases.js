'use strict';
// What every Node.js runtime is tried with, in the idiom of its time: promises where handlers may return them,
// context.succeed and context.fail before Node 8. Node 4 reads this.
const major = parseInt(process.versions.node, 10);

function handler(work) {
  return function (event, context) {
    const answer = Promise.resolve().then(() => work(event, context));
    if (major >= 8) return answer;
    answer.then(context.succeed, context.fail);
  };
}

function wait(seconds) {
  return new Promise((resolve) => setTimeout(resolve, 1000 * (seconds || 0)));
}

class Custom extends Error {
  constructor(message) {
    super(message);
    this.name = 'Cases.Custom';
  }
}

exports.echo = handler((event) => event);

exports.fail = handler(() => {
  throw new Custom('no');
});

exports.unhandled = handler(() => {
  if (major >= 10) Promise.reject(new Custom('no'));
  else setTimeout(() => { throw new Custom('no'); }, 0); // a rejection was but a warning
  return wait(60);
});

exports.leave = handler((event) => {
  if (event.leave) process.exit(42);
  return 'still here';
});

exports.slow = handler((event) => wait(event.seconds).then(() => process.pid));

exports.context = handler((event, context) => ({
  name: context.functionName,
  version: context.functionVersion,
  memory: context.memoryLimitInMB,
  request_id: context.awsRequestId,
  arn: context.invokedFunctionArn,
  log_group: context.logGroupName,
  log_stream: context.logStreamName,
  remaining: context.getRemainingTimeInMillis(),
  identity: context.identity || null,
  client_context: context.clientContext || null,
}));

exports.environment = handler(() => Object.assign({}, process.env));

exports.layers = handler(() => require('from-a-layer'));

exports.large = handler((event) => 'x'.repeat(event.bytes));

exports.unicode = handler((event) => 'äöü €𝄞' + event);

exports.huge = handler((event) => event.text.length);

exports.binary = handler(() => {
  const bytes = [0xff, 0xfe, 0x80, 0x0a];
  process.stdout.write(major < 6 ? new Buffer(bytes) : Buffer.from(bytes));
  return 'printed';
});

exports.remaining = handler((event, context) => {
  const before = context.getRemainingTimeInMillis();
  return wait(event.seconds).then(() => [before, context.getRemainingTimeInMillis()]);
});

exports.log = handler(() => {
  console.log('noted');
  process.stdout.write('noted\n');
  return null;
});

exports.nested = { deep: { echo: exports.echo } };

if (typeof awslambda !== 'undefined') {
  exports.streaming = awslambda.streamifyResponse((event, stream) => {
    stream.setContentType('text/plain');
    stream.write('one ');
    return wait(0.02).then(() => new Promise((resolve) => stream.end('two', resolve)));
  });

  exports.bytes = awslambda.streamifyResponse((event, stream) =>
    new Promise((resolve) => stream.end(Buffer.from([0xff, 0xfe]), resolve)));
}
