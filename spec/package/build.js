// Builds dist/ from scratch: JavaScript in a few chunks with source maps, and rolled declarations.
//
//     node spec/package/build.js
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { dependencies, exports, imports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

/** The names of files in dist/ that a part of the manifest refers to. lib/ has a source for each. */
const namesIn = (part) =>
  Object.values(part)
    .flatMap((conditions) => Object.values(conditions))
    .filter((file) => /^\.\/dist\/.*\.js$/.test(file))
    .map((file) => file.replace(/^\.\/dist\/|\.js$/g, ''));

/** The name of each public entry in dist/, such as `binary/index`. */
export const publicEntries = namesIn(exports);

const command = 'cli/main';
const firstOfPage = 'lib/sockets/encrypted-socket.ts';
/** Modules that the entry exports and that a page otherwise uses in a handshake only. */
const usedLater = ['crypto/key-pair', 'crypto/public-key', 'trust/known-hosts'];
const codecNamespace = 'codec/combinators';
const sourcesOf = (names) => Object.fromEntries(names.map((name) => [name, `lib/${name}.ts`]));

const seams = new Set(namesIn(imports).map((name) => path.join(root, `lib/${name}.ts`)));

/** The layer whose chunk has a module; undefined for modules that stay files of their own. */
function layerOf(module) {
  const folder = /\/lib\/(\w+)(?:\/|\.ts$)/.exec(module)?.[1];
  // What `#files` leads to must not share a chunk with the code that imports `#files`.
  if (folder === 'trust' && !/\/server-\w+\.ts$/.test(module) && !seams.has(module)) return 'stores';
  // The same holds for `#duplex`, whose form for Node uses the transport contract.
  if (module.endsWith('/transport/to-transport.ts')) return 'carriers';
  // A page loads `#streams` with the first streaming call.
  if (!seams.has(module) && module.includes('/queue/streams/')) return 'streams';
  if (folder === 'errors' || module.endsWith('/platform/runtime.ts')) return 'util';
  return seams.has(module) || ['index', 'cli', 'platform'].includes(folder) ? undefined : folder;
}

/** A module and all modules of lib/ that it loads. Seams and dynamic imports are not followed. */
function closureOf(module, context, found = new Set()) {
  if (found.has(module)) return found;
  found.add(module);
  for (const each of context.getModuleInfo(module)?.importedIds ?? []) closureOf(each, context, found);
  return found;
}

/**
 * The chunk of a module. A page loads the session of a socket at once and its handshake later, through
 * the form of `#plan` for browsers: one chunk for both would defeat that.
 */
function chunkOf(module, context) {
  const layer = layerOf(module);
  if (layer !== 'session') return layer;
  return closureOf(path.join(root, firstOfPage), context).has(module) ? layer : 'handshake';
}

/** Dependencies, modules of Node and seams such as `#platform` stay imports. */
const isExternal = (name) =>
  /^(#|node:)/.test(name) ||
  Object.keys(dependencies).some((each) => name === each || name.startsWith(`${each}/`));

/**
 * Keeps the import of the namespace `codec` as an import, so that bundlers see which of its members a
 * program uses. In a chunk it would become an object that refers to all of them.
 */
const keepNamespace = {
  name: 'keep-namespace',
  resolveId: (name, importer) =>
    importer === path.join(root, 'lib/index.ts') && name === `./${codecNamespace}.js`
      ? { id: name, external: 'relative' }
      : undefined,
};

/**
 * Makes the exports of some modules constants in files of their own. esbuild loads a module at start if
 * the entry of the package exports it, also if a page uses it only in a chunk that loads later. But it
 * drops a file of unused constants, with the imports of that file.
 */
const exportConstants = {
  name: 'export-constants',
  resolveId: (name, importer) =>
    importer === path.join(root, 'lib/index.ts') && usedLater.some((each) => name === `./${each}.js`)
      ? { id: name, external: 'relative' }
      : undefined,
  renderChunk(code, { name, exports: names }) {
    if (!usedLater.includes(name)) return undefined;
    const from = /^import \{[^}]*\} from ("[^"]+");\s*export \{[^}]*\};\s*$/.exec(code)?.[1];
    if (from === undefined) throw new Error(`${name} is not a list of exports`);
    const imported = names.map((each) => `${each} as _${each}`).join(', ');
    const constants = names.map((each) => `export const ${each} = _${each};\n`).join('');
    return { code: `import { ${imported} } from ${from};\n${constants}`, map: { mappings: '' } };
  },
};

function buildJavaScript() {
  return build({
    cwd: root,
    input: sourcesOf([...publicEntries, codecNamespace, ...usedLater, ...namesIn(imports), command]),
    external: isExternal,
    plugins: [keepNamespace, exportConstants],
    platform: 'neutral',
    preserveEntrySignatures: 'allow-extension',
    tsconfig: 'tsconfig.json',
    output: {
      sourcemap: true,
      minifyInternalExports: false,
      chunkFileNames: 'chunks/[name].js',
      // One chunk a layer. Bundlers drop an unused file whole, but keep statements of a used file that may
      // have side effects: one file for everything would defeat tree shaking.
      codeSplitting: {
        includeDependenciesRecursively: false,
        groups: [{ name: chunkOf, debugName: 'layers' }],
      },
    },
  });
}

/** Restores the reference that users' compilers need for `Symbol.asyncDispose`: rolling drops such lines. */
const referToDisposable = {
  name: 'refer-to-disposable',
  renderChunk: (code) =>
    code.includes('asyncDispose') ? `/// <reference lib="esnext.disposable" />\n${code}` : undefined,
};

/**
 * Rolls the declarations of some entries.
 *
 * @param {readonly string[]} names - entries, as in `publicEntries`.
 * @param {boolean} write - whether to write them to dist/.
 * @returns {Promise<import('rollup').RollupOutput>}
 */
export async function buildDeclarations(names, write) {
  const bundle = await rollup({
    input: sourcesOf(names),
    external: (name) => !name.startsWith('#') && isExternal(name),
    plugins: [keepNamespace, dts({ tsconfig: path.join(root, 'tsconfig.json') }), referToDisposable],
  });
  /** @type {import('rollup').OutputOptions} */
  const output = {
    dir: path.join(root, 'dist'),
    minifyInternalExports: false,
    entryFileNames: '[name].d.ts',
    chunkFileNames: 'chunks/[name].d.ts',
  };
  return write ? bundle.write(output) : bundle.generate(output);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  await Promise.all([buildJavaScript(), buildDeclarations([...publicEntries, codecNamespace], true)]);
  chmodSync(path.join(root, `dist/${command}.js`), 0o755);
}
