// Bundles imports of the built package for browsers, prints the size of the code that a page loads
// at start, and fails over a limit.
//
//     npm run size
//     npm run size -- --files     also prints what each file contributes
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import * as esbuild from 'esbuild';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Limits in KiB of the minified code, compressed. rolldown is the bundler of Vite.
 */
const sets = [
  {
    imports: 'LockedSocket, EncryptedSocket',
    limits: { rolldown: { gzip: 18.8, brotli: 17.1 }, esbuild: { gzip: 19.7, brotli: 18.0 } },
  },
  {
    imports: 'connect, EncryptedSocket',
    limits: { rolldown: { gzip: 22.0, brotli: 20.0 }, esbuild: { gzip: 23.0, brotli: 20.9 } },
  },
  {
    imports: 'LockedSocket, EncryptedSocket, QueueSocket',
    limits: { rolldown: { gzip: 42.0, brotli: 37.7 }, esbuild: { gzip: 42.9, brotli: 38.4 } },
  },
  {
    imports: 'connectNats',
    from: 'k4net/nats',
    limits: { rolldown: { gzip: 33.8, brotli: 30.5 }, esbuild: { gzip: 35.3, brotli: 31.9 } },
  },
];

/** The package for pages without a bundler, which load all of it. */
const web = { file: 'dist/web/index.js', limits: { gzip: 63.2, brotli: 55.7 } };

const programOf = (imports, from) => `export { ${imports} } from '${from}';`;

/**
 * @typedef {object} Chunk
 * @property {string} name
 * @property {string | Uint8Array} code
 * @property {readonly string[]} imports - names of the chunks that load with it.
 * @property {ReadonlyArray<readonly [file: string, bytes: number]>} files
 */

// The package resolves its own name, through "exports" and "imports" as an installed package does.
const bundlers = {
  /** @returns {Promise<Chunk[]>} the entry first. */
  async rolldown(imports, from) {
    const program = {
      name: 'program',
      resolveId: (name) => (name === 'program' ? `${root}program.js` : undefined),
      load: (name) => (name === `${root}program.js` ? programOf(imports, from) : undefined),
    };
    const bundle = await rolldown({ input: 'program', platform: 'browser', plugins: [program] });
    const { output } = await bundle.generate({ format: 'esm', minify: true });
    return output.map(({ fileName, code, imports: loaded, modules }) => ({
      name: fileName,
      code,
      imports: loaded,
      files: Object.entries(modules).map(([file, { renderedLength }]) => [file, renderedLength]),
    }));
  },

  /** @returns {Promise<Chunk[]>} the entry first. */
  async esbuild(imports, from) {
    const { outputFiles, metafile } = await esbuild.build({
      stdin: { contents: programOf(imports, from), resolveDir: root },
      platform: 'browser',
      format: 'esm',
      target: 'es2022',
      bundle: true,
      minify: true,
      splitting: true,
      outdir: 'bundle',
      write: false,
      metafile: true,
      // Without this, esbuild resolves `#platform` by the "paths" of the project's own compiler
      // options.
      tsconfigRaw: '{}',
      logLevel: 'error',
    });
    return outputFiles.map(({ path, contents }) => {
      const { imports: loaded, inputs } = metafile.outputs[`bundle/${basename(path)}`];
      return {
        name: basename(path),
        code: contents,
        imports: loaded.filter(({ kind }) => kind === 'import-statement').map((each) => basename(each.path)),
        files: Object.entries(inputs).map(([file, { bytesInOutput }]) => [file, bytesInOutput]),
      };
    });
  },
};

/** The chunks that load with a chunk, itself included. */
function loadedWith(chunk, chunks, found = new Set()) {
  found.add(chunk);
  for (const other of chunks)
    if (chunk.imports.includes(other.name) && !found.has(other)) loadedWith(other, chunks, found);
  return found;
}

const compress = { gzip: (code) => gzipSync(code, { level: 9 }), brotli: brotliCompressSync };
const kib = (chunks, method) =>
  [...chunks].reduce((total, { code }) => total + compress[method](code).length, 0) / 1024;

/** Describes the sizes of some chunks. Over a limit, the program fails. */
const report = (chunks, limits) =>
  Object.entries(limits)
    .map(([method, limit]) => {
      const size = kib(chunks, method);
      if (size > limit) process.exitCode = 1;
      return `${method} ${size.toFixed(2)} KiB (limit ${limit})`;
    })
    .join(', ');

/** Names of Node, or of a stand-in for it, that the code for browsers must not contain. */
const ofNode = /\b(?:Buffer|process|require|getBuiltinModule|setImmediate)\b|(?:from|import\()\s*["'`]node:/;

/** Fails the program if the code for browsers reaches for Node. */
function checkForNode(chunks) {
  for (const { name, code } of chunks) {
    const found = ofNode.exec(typeof code === 'string' ? code : Buffer.from(code).toString())?.[0];
    if (found === undefined) continue;
    console.error(`${name} contains '${found}', which a browser does not have`);
    process.exitCode = 2;
  }
}

for (const { imports, from = 'k4net', limits } of sets) {
  console.log(`{ ${imports} } of ${from}`);
  for (const [bundler, limitOf] of Object.entries(limits)) {
    const chunks = await bundlers[bundler](imports, from);
    const atStart = loadedWith(chunks[0], chunks);
    const later = chunks.filter((chunk) => !atStart.has(chunk));
    checkForNode(chunks);
    const rest = `later gzip ${kib(later, 'gzip').toFixed(2)} KiB`;
    console.log(`    ${bundler}: at start ${report(atStart, limitOf)}; ${rest}`);
    if (!process.argv.includes('--files')) continue;
    const files = [...atStart].flatMap((chunk) => chunk.files).sort(([, a], [, b]) => b - a);
    for (const [file, bytes] of files) console.log(`${String(bytes).padStart(13)} ${file.replace(root, '')}`);
  }
}

/** A module of dist/web, and those that it imports at start. */
function modulesOf(file, found = []) {
  const code = readFileSync(root + file, 'utf8');
  found.push({ name: file, code });
  for (const [, other] of code.matchAll(/\bfrom\s*["'`]\.\/([^"'`]+)/g)) {
    const imported = `dist/web/${other}`;
    if (!found.some(({ name }) => name === imported)) modulesOf(imported, found);
  }
  return found;
}

const atStart = modulesOf(web.file);
checkForNode(atStart);
console.log(`k4net/web, everything\n    without a bundler: at start ${report(atStart, web.limits)}`);
if (process.exitCode === 1)
  console.error('the code that a page loads exceeds its limit: see "Size" in docs/CONTRIBUTING.md');
