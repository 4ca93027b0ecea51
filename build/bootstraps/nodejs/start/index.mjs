// Starts AWS's runtime interface client 3, which is a library, with the handler that is named first.
import { run } from "./dist/index.mjs";

await run(process.env.LAMBDA_TASK_ROOT || "/var/task", process.argv[2]);
