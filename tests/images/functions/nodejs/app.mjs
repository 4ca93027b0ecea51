// Handlers that answer piece by piece, and one that does not.
export const streamed = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType('text/plain');
  for (const piece of event.pieces ?? ['one ', 'two ', 'three']) {
    stream.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  stream.end();
});

export const page = awslambda.streamifyResponse(async (event, stream) => {
  const head = { statusCode: 418, headers: { 'content-type': 'text/html', 'x-teapot': 'yes' }, cookies: ['a=1', 'b=2'] };
  const body = awslambda.HttpResponseStream.from(stream, head);
  body.write(`<p>${event.rawPath}</p>`);
  body.end('<p>end</p>');
});

export const broken = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('half');
  await new Promise((resolve) => setTimeout(resolve, 50));
  throw new TypeError('the other half is missing');
});

export const leave = async (event) => {
  if (event.leave) process.exit(7);
  return 'still here';
};

export const log = async () => {
  console.info('noted');
  return null;
};
