// Bundles imports of the built package for browsers, prints their sizes and fails over a limit.
//
//     npm run size
//     npm run size -- --files     also prints what each source file contributes
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Limits in bytes of the minified bundle, compressed. */
const sets = [
  { imports: 'LockedSocket, EncryptedSocket', gzip: 31 * 1024, brotli: 28 * 1024 },
  { imports: 'LockedSocket, EncryptedSocket, QueueSocket', gzip: 54 * 1024, brotli: 47 * 1024 },
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
  const entry = outputFiles.find(({ path }) => path.endsWith('stdin.js'));
  return { code: entry.contents, inputs: metafile.outputs['bundle/stdin.js'].inputs };
}

const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

for (const { imports, ...limits } of sets) {
  const { code, inputs } = await bundle(imports);
  const sizes = { gzip: gzipSync(code, { level: 9 }).length, brotli: brotliCompressSync(code).length };
  const figures = Object.entries(limits).map(([name, limit]) => {
    if (sizes[name] > limit) process.exitCode = 1;
    return `${name} ${kib(sizes[name])} (limit ${kib(limit)})`;
  });
  console.log(`{ ${imports} }: minified ${kib(code.length)}, ${figures.join(', ')}`);
  if (process.argv.includes('--files')) {
    const files = Object.entries(inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput);
    for (const [file, { bytesInOutput }] of files)
      console.log(`${String(bytesInOutput).padStart(9)} ${file}`);
  }
}
if (process.exitCode === 1)
  console.error('a bundle for browsers exceeds its limit: see spec/package/size.js');
