// Says at the end of `npm test` which suites it does not run.
console.log(`
Not run here, because they need more than Node:
  npm run test:browser    Chromium: the one in PATH or CHROMIUM
  npm run test:runtimes   Node 20 to 26, Bun and Deno, each with each, from the npm registry; Chromium`);
