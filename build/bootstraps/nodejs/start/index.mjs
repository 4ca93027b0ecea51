// Starts AWS's runtime interface client 3, which is a library, with the handler that is named first, or that _HANDLER
// names: debuggers start this file by itself.
import { run } from "./dist/index.mjs";

await run(process.env.LAMBDA_TASK_ROOT || "/var/task", process.argv[2] || process.env._HANDLER);
