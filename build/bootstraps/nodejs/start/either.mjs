// Starts AWS's runtime interface client for Node.js 22: version 4 on managed instances, which alone takes several
// events at once and refuses callbacks there, and version 3 everywhere else, where callbacks are welcome.
if (process.env.AWS_LAMBDA_MAX_CONCURRENCY) {
  await import("./managed/index.mjs");
} else {
  await import("./single.mjs");
}
