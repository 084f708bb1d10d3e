// Bundles imports of the built package for browsers, prints their sizes and fails over a limit.
//
//     npm run size
//     npm run size -- --files     also prints what each source file contributes
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Limits in bytes of the minified bundle, compressed. */
const sets = [
  { imports: 'LockedSocket, EncryptedSocket', gzip: 20.5 * 1024, brotli: 18.5 * 1024 },
  { imports: 'LockedSocket, EncryptedSocket, QueueSocket', gzip: 43.5 * 1024, brotli: 39 * 1024 },
];

async function bundle(imports) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export { ${imports} } from 'k4net';`, resolveDir: root },
    // The package resolves its own name, through "exports" and "imports" as an installed package does.
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    bundle: true,
    minify: true,
    splitting: true,
    outdir: 'bundle',
    write: false,
    metafile: true,
    // Without this, esbuild resolves `#platform` by the "paths" of the project's own compiler options.
    tsconfigRaw: '{}',
    logLevel: 'error',
  });
  const outputs = metafile.outputs;
  const atStart = staticClosure('bundle/stdin.js', outputs);
  const chunks = outputFiles.map(({ path, contents }) => ({ name: `bundle/${basename(path)}`, contents }));
  const codeOf = (start) =>
    chunks.filter(({ name }) => atStart.has(name) === start).map((each) => each.contents);
  return {
    first: codeOf(true),
    later: codeOf(false),
    inputs: [...atStart].map((name) => outputs[name].inputs),
  };
}

/** The chunks that a page loads with this one, itself included. */
function staticClosure(name, outputs, found = new Set()) {
  found.add(name);
  for (const { kind, path } of outputs[name].imports)
    if (kind === 'import-statement' && !found.has(path)) staticClosure(path, outputs, found);
  return found;
}

const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);
const gzipped = (chunks) => sum(chunks.map((code) => gzipSync(code, { level: 9 }).length));
const brotlied = (chunks) => sum(chunks.map((code) => brotliCompressSync(code).length));

const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

for (const { imports, ...limits } of sets) {
  const { first, later, inputs } = await bundle(imports);
  const sizes = { gzip: gzipped(first), brotli: brotlied(first) };
  const figures = Object.entries(limits).map(([name, limit]) => {
    if (sizes[name] > limit) process.exitCode = 1;
    return `${name} ${kib(sizes[name])} (limit ${kib(limit)})`;
  });
  console.log(
    `{ ${imports} }: minified ${kib(sum(first.map((code) => code.length)))}, ${figures.join(', ')}`,
  );
  console.log(`    and later, with the first handshake: gzip ${kib(gzipped(later))}`);
  if (process.argv.includes('--files')) {
    const files = inputs.flatMap(Object.entries).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput);
    for (const [file, { bytesInOutput }] of files)
      console.log(`${String(bytesInOutput).padStart(9)} ${file}`);
  }
}
if (process.exitCode === 1)
  console.error('a bundle for browsers exceeds its limit: see spec/package/size.js');
