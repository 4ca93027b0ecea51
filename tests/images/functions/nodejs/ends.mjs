// Handlers that tell of their circumstances, and handlers that do not end.
import process from 'node:process';

if (process.env.AT_LOAD === 'throw') throw new RangeError('not today');
if (process.env.AT_LOAD === 'exit') process.exit(3);

export const who = async () => [process.getuid(), process.ppid, process.env.AWS_LAMBDA_FUNCTION_NAME];

export const spin = async (event) => {
  while (event.spin);
  return 'ended';
};

export const fail = async (event) => {
  if (event.fail) throw new TypeError('not today');
  console.debug('fine');
};
