// One handler that answers piece by piece, as its event (a name, or a path) asks.
const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

const ways = {
  page: async (stream) => {
    const head = { statusCode: 418, headers: { 'x-teapot': 'yes' }, cookies: ['a=1'] };
    const body = awslambda.HttpResponseStream.from(stream, head);
    body.write('<p>tea</p>');
    await pause();
    body.end('<p>end</p>');
  },
  half: async (stream) => {
    stream.write('half');
    await pause();
    throw new TypeError('the other half is missing');
  },
  nothing: async () => {
    throw new TypeError('nothing to say');
  },
  large: async (stream) => {
    for (let n = 0; n < 8; n += 1) {
      if (!stream.write(Buffer.alloc(1 << 20, n))) await new Promise((resolve) => stream.once('drain', resolve));
    }
    stream.end();
  },
};

export const handler = awslambda.streamifyResponse((event, stream) =>
  ways[(event.rawPath ?? event.way).replace('/', '')](stream));
