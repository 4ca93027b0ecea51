"use strict";
// Starts AWS's runtime interface client 1, which is a library, with the handler that is named first.
require("./aws-lambda-ric").run(process.env.LAMBDA_TASK_ROOT || "/var/task", process.argv[2]);
