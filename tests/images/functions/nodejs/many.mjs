// Who worked, from when to when, in seconds of the container's own clock.
import { hrtime, pid } from 'node:process';

const now = () => Number(hrtime.bigint()) / 1e9;

export const span = async (event) => {
  const start = now();
  await new Promise((resolve) => setTimeout(resolve, 1000 * event.seconds));
  return [pid, start, now()];
};
