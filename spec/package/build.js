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
const { dependencies, peerDependencies, exports, imports } = JSON.parse(
  readFileSync(path.join(root, 'package.json'), 'utf8'),
);

/**
 * The names of files in dist/ that a part of the manifest refers to. lib/ has a source for each.
 */
const namesIn = (part) =>
  Object.values(part)
    .flatMap((conditions) => Object.values(conditions))
    .filter((file) => /^\.\/dist\/.*\.js$/.test(file))
    .map((file) => file.replace(/^\.\/dist\/|\.js$/g, ''));

/** The package as whole modules, for pages that load it without a bundler. */
const web = 'web/index';

/** The name of each public entry in dist/ that has a source of its own, such as `binary/index`. */
export const publicEntries = namesIn(exports).filter((name) => name !== web);

const command = 'cli/main';
/** Modules whose code a page loads at once. */
const firstOfPage = ['lib/sockets/encrypted-socket.ts', 'lib/net/connect.ts', 'lib/net/web-net.ts'];
/** Modules that the entry exports and that a page otherwise uses in a handshake only. */
const usedLater = ['crypto/key-pair', 'crypto/public-key', 'trust/known-hosts', 'trust/stores'];
const codecNamespace = 'codec/combinators';
const sourcesOf = (names) => Object.fromEntries(names.map((name) => [name, `lib/${name}.ts`]));

const seams = new Set(namesIn(imports).map((name) => path.join(root, `lib/${name}.ts`)));

/** The layer whose chunk has a module; undefined for modules that stay files of their own. */
function layerOf(module) {
  const folder = /\/lib\/(\w+)(?:\/|\.ts$)/.exec(module)?.[1];
  // The forms of `#files` must not share a chunk with the code that imports `#files`.
  if (folder === 'trust' && !/\/(server-\w+|stores)\.ts$/.test(module) && !seams.has(module)) return 'stores';
  // The same holds for `#duplex`, whose form for Node uses the transport contract.
  if (/\/transport\/(to-transport|web-streams)\.ts$/.test(module)) return 'carriers';
  // A page that connects needs no servers.
  if (/\/nats\/(discovery|listen-nats|nats-listener)\.ts$/.test(module)) return 'nats-server';
  // One that calls no service needs no queues.
  if (/\/nats\/(broadcasts|gather|presence|(typed-)?nats-service|service-\w+)\.ts$/.test(module))
    return 'nats-service';
  // The form of `#streams` for browsers must not share a chunk with the code that imports `#streams`.
  if (module.endsWith('/queue/later-stream.ts')) return 'later-stream';
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
 * The chunk of a module. A page loads the session of a socket at once and its handshake later,
 * through the form of `#plan` for browsers: one chunk for both would defeat that. A page that
 * connects needs no servers, and only the form of `#net` for Node needs TCP. The modules that the
 * forms of `#net` use must not share a chunk with the code that imports `#net`.
 */
function chunkOf(module, context) {
  const layer = layerOf(module);
  const isIn = (entry) => closureOf(path.join(root, entry), context).has(module);
  if (layer === 'session') return firstOfPage.some(isIn) ? layer : 'handshake';
  if (layer !== 'net') return layer;
  const formOfNet = ['lib/net/node-net.ts', 'lib/net/web-net.ts'].some(isIn);
  if (firstOfPage.some(isIn)) return formOfNet ? layer : 'connect';
  return formOfNet ? 'tcp' : 'server';
}

/** Dependencies, modules of Node and seams such as `#platform` stay imports. */
const isExternal = (name) =>
  /^(#|node:)/.test(name) ||
  Object.keys({ ...dependencies, ...peerDependencies }).some(
    (each) => name === each || name.startsWith(`${each}/`),
  );

/**
 * Keeps the import of the namespace `codec` as an import, so that bundlers see which of its members
 * a program uses. In a chunk it would become an object that refers to all of them.
 */
const keepNamespace = {
  name: 'keep-namespace',
  resolveId: (name, importer) =>
    importer === path.join(root, 'lib/index.ts') && name === `./${codecNamespace}.js`
      ? { id: name, external: 'relative' }
      : undefined,
};

/**
 * Makes the exports of some modules constants in files of their own. esbuild loads a module at
 * start if the entry of the package exports it, also if a page uses it only in a chunk that loads
 * later. But it drops a file of unused constants, with the imports of that file.
 */
const exportConstants = {
  name: 'export-constants',
  resolveId: (name, importer) =>
    importer === path.join(root, 'lib/index.ts') && usedLater.some((each) => name === `./${each}.js`)
      ? { id: name, external: 'relative' }
      : undefined,
  renderChunk(code, { name, exports: names }) {
    if (!usedLater.includes(name)) return undefined;
    const imports = /^((?:import \{[^}]*\} from "[^"]+";\s*)+)export \{[^}]*\};\s*$/.exec(code)?.[1];
    if (imports === undefined) throw new Error(`${name} is not a list of exports`);
    const constants = names.map((each) => `const _${each} = ${each};\n`).join('');
    const exported = names.map((each) => `_${each} as ${each}`).join(', ');
    return { code: `${imports}${constants}export { ${exported} };\n`, map: { mappings: '' } };
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
      // One chunk a layer. Bundlers drop an unused file whole, but keep statements of a used file
      // that may have side effects: one file for everything would defeat tree shaking.
      codeSplitting: {
        includeDependenciesRecursively: false,
        groups: [{ name: chunkOf, debugName: 'layers' }],
      },
    },
  });
}

/** Resolves each seam to its form for browsers. */
const browserForms = {
  name: 'browser-forms',
  resolveId: (name) =>
    imports[name] && path.join(root, imports[name].browser.replace(/^\.\/dist\/(.*)\.js$/, 'lib/$1.ts')),
};

/**
 * Builds the entry of the package and what it loads later, without any import of another package.
 */
function buildForPages() {
  return build({
    cwd: root,
    input: { [path.basename(web)]: 'lib/index.ts' },
    plugins: [browserForms],
    platform: 'browser',
    tsconfig: 'tsconfig.json',
    output: {
      dir: path.join('dist', path.dirname(web)),
      sourcemap: true,
      minify: true,
      chunkFileNames: '[name].js',
    },
  });
}

/**
 * Restores the reference that users' compilers need for `Symbol.asyncDispose`: rolling drops such
 * lines.
 */
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
  await Promise.all([
    buildJavaScript(),
    buildForPages(),
    buildDeclarations([...publicEntries, codecNamespace], true),
  ]);
  chmodSync(path.join(root, `dist/${command}.js`), 0o755);
}
