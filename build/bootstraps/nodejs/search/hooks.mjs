// What node-path.mjs does, for a thread of hooks.
import { found, places } from "./places.mjs";

export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    for (const parentURL of places(specifier)) {
      try {
        return await next(specifier, { ...context, parentURL });
      } catch {} // not in this folder
    }
    return found(specifier, error);
  }
}
