#!/bin/sh
# The entrypoint of AWS's own base images: the one argument is the handler.
if [ $# -ne 1 ]; then
  echo "entrypoint requires the handler name to be the first argument" 1>&2
  exit 142
fi
export _HANDLER="$1"

# Custom runtimes bring their bootstrap with the code or in a layer.
RUNTIME_ENTRYPOINT=/var/runtime/bootstrap
for candidate in /var/runtime/bootstrap /var/task/bootstrap /opt/bootstrap; do
  if [ -f "$candidate" ]; then
    RUNTIME_ENTRYPOINT=$candidate
    break
  fi
done

# On AWS the Runtime API is there already; elsewhere it is emulated.
if [ -z "${AWS_LAMBDA_RUNTIME_API}" ]; then
  exec /usr/local/bin/aws-lambda-rie "$RUNTIME_ENTRYPOINT"
else
  exec "$RUNTIME_ENTRYPOINT"
fi
