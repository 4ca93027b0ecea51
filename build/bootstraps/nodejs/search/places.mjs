// The folders of NODE_PATH, for `import`.
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";

const folders = (process.env.NODE_PATH || "").split(":").filter(Boolean);
const parents = folders.filter((folder) => folder.endsWith("/node_modules")).map((folder) => fileIn(dirname(folder)));
const require = createRequire(fileIn("/var/task"));

function fileIn(folder) {
  return pathToFileURL(`${folder}/any.js`).href;
}

function isBare(specifier) {
  return !/^(\.{0,2}\/|[a-z]+:|#)/.test(specifier);
}

/** URLs of modules beside whose node_modules a package may be: importing from there looks into them. */
export function places(specifier) {
  return isBare(specifier) ? parents : [];
}

/** What `require` finds in folders of another name; else throws `error`. */
export function found(specifier, error) {
  if (!isBare(specifier)) throw error;
  try {
    return { url: pathToFileURL(require.resolve(specifier)).href, shortCircuit: true };
  } catch {
    throw error;
  }
}
