// Lets `import` find packages on NODE_PATH, as `require` does and as the real runtimes from Node 18 on do.
import module from "node:module";
import { found, places } from "./places.mjs";

function resolve(specifier, context, next) {
  try {
    return next(specifier, context);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    for (const parentURL of places(specifier)) {
      try {
        return next(specifier, { ...context, parentURL });
      } catch {} // not in this folder
    }
    return found(specifier, error);
  }
}

// Where hooks cannot run in this thread (before Node 22.15), they cost a thread of their own, some 50 ms.
if (module.registerHooks) module.registerHooks({ resolve });
else module.register("./hooks.mjs", import.meta.url);
