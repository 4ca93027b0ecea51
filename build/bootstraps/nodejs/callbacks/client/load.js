"use strict";
// Finds the handler `path/module.function` below the function's folder.
const path = require("path");

function failure(message) {
  const error = new Error(message);
  error.stack = "";
  return error;
}

function required(file, name) {
  try {
    return require(file);
  } catch (error) {
    if (error instanceof SyntaxError) error.told = `Syntax error in module '${name}'`;
    else if (error && error.code === "MODULE_NOT_FOUND") error.told = `Unable to import module '${name}'`;
    throw error;
  }
}

/** The function that `name` names. Throws what its module throws, or an error that says what is missing. */
exports.handler = (root, name) => {
  const parts = String(name).split(".");
  if (parts.length !== 2 || !parts[0] || !parts[1]) throw failure(`Bad handler ${name}`);
  const found = required(path.resolve(root, parts[0]), parts[0])[parts[1]];
  if (typeof found !== "function") throw failure(`Handler '${parts[1]}' missing on module '${parts[0]}'`);
  return found;
};
