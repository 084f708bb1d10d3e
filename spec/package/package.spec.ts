import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { join, posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needDist, root, run } from '../support/dist.js';
import { exportedNames } from './declarations.js';
import { filesOf, install, installAll, pack } from './tarball.js';

let folder: string;
let tarball: string;
let files: Map<string, Buffer>;

beforeAll(async () => {
  needDist();
  folder = await mkdtemp(join(tmpdir(), 'k4net-package-'));
  tarball = await pack(folder);
  files = filesOf(tarball);
});

afterAll(async () => {
  if (folder) await rm(folder, { recursive: true, force: true });
});

const program = (name: string): string => join(root, 'spec/package/programs', name);
const filesUnder = (path: string): string[] =>
  readdirSync(join(root, path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length));

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly imports: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

describe('the tarball', () => {
  it('has the build, documentation, license, readme and manifest, and nothing else', () => {
    const expected = [...filesUnder('dist'), ...filesUnder('docs'), 'LICENSE', 'README.md', 'package.json'];
    expect([...files.keys()].sort()).toEqual(expected.sort());
  });

  it('has every file that the manifest names', () => {
    const manifest = JSON.parse(files.get('package.json')!.toString()) as Manifest;
    const { '.': main, './binary': binary, './codec': codec } = manifest.exports;
    const forms = [main!, binary!, codec!, manifest.bin, ...Object.values(manifest.imports)];
    const named = forms.flatMap((each) => Object.values(each)).map((file) => file.replace('./', ''));
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter((file) => !files.has(file))).toEqual([]);
  });

  it('has no empty file, and none that contains a path of the machine it was built on', () => {
    for (const [name, content] of files) {
      expect(content.length, name).toBeGreaterThan(0);
      expect(content.includes(root.slice(0, -1)), name).toBe(false);
    }
  });

  it('has source maps that lead from each chunk to the lines of lib/', () => {
    const sources = new Set<string>();
    const maps = [...files.keys()].filter((name) => name.endsWith('.js.map'));
    for (const name of maps) {
      const payload = JSON.parse(files.get(name)!.toString()) as SourceMapPayload;
      for (const [index, source] of payload.sources.entries()) {
        const file = posix.join(posix.dirname(name), source);
        sources.add(file);
        expect(payload.sourcesContent[index], file).toBe(readFileSync(join(root, file), 'utf8'));
      }
    }
    const code = files.get('dist/chunks/binary.js')!.toString().split('\n');
    const line = code.findIndex((text) => /\bBinaryReader = class |\bclass BinaryReader /.test(text));
    const map = new SourceMap(
      JSON.parse(files.get('dist/chunks/binary.js.map')!.toString()) as SourceMapPayload,
    );
    const entry = map.findEntry(line, code[line]!.indexOf('class')) as {
      originalSource: string;
      originalLine: number;
    };
    expect(posix.join('dist/chunks', entry.originalSource)).toBe('lib/binary/reader.ts');
    const original = readFileSync(join(root, 'lib/binary/reader.ts'), 'utf8').split('\n');
    expect(original[entry.originalLine]).toContain('class BinaryReader ');
    expect([...sources]).toEqual(expect.arrayContaining(['lib/errors.ts', 'lib/platform/web.ts']));
  });

  it('satisfies publint', async () => {
    const publint = join(root, 'node_modules/publint/src/cli.js');
    const { code, out, err } = await run(process.execPath, [publint, tarball, '--strict']);
    expect({ code, said: code === 0 ? '' : out + err }).toEqual({ code: 0, said: '' });
  });

  it('satisfies Are The Types Wrong', async () => {
    const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    const { code, out, err } = await run(process.execPath, [
      attw,
      tarball,
      '--profile',
      'esm-only',
      '--no-emoji',
    ]);
    expect({ code, said: code === 0 ? '' : out + err }).toEqual({ code: 0, said: '' });
  });
});

describe('the types of the package', () => {
  interface Project {
    readonly program: string;
    readonly as?: string;
    readonly compiler: Readonly<Record<string, unknown>>;
    readonly packages?: readonly string[];
  }

  /** What the compiler says about a program in a project of its own. */
  async function check(name: string, wanted: Project): Promise<string> {
    const { program: file, as = 'program.ts', compiler, packages = [] } = wanted;
    const project = join(folder, name);
    mkdirSync(project);
    install(tarball, project);
    installAll(project, packages);
    cpSync(program(file), join(project, as));
    writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
    const compilerOptions = {
      target: 'ES2022',
      lib: ['ES2022'],
      types: [],
      module: 'nodenext',
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      ...compiler,
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [as] }));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const { code, out, err } = await run(process.execPath, [tsc, '-p', '.'], { cwd: project });
    return code === 0 ? '' : out + err;
  }

  it('are all used by the program that is checked here', () => {
    const names = exportedNames(files.get('dist/index.d.ts')!.toString());
    expect(names).toEqual(expect.arrayContaining(['LockedSocket', 'connect', 'codec', 'SendOptions']));
    const code = readFileSync(program('every-export.ts'), 'utf8');
    const missing = names.filter((name) => (code.match(new RegExp(`\\b${name}\\b`, 'g')) ?? []).length < 2);
    expect(missing, 'exports that spec/package/programs/every-export.ts does not use').toEqual([]);
  });

  it('are really looked at: a program that needs Node is refused without it', async () => {
    expect(await check('refused', { program: 'with-node.ts', compiler: {} })).toMatch(/node:net/);
  });

  it('need neither Node nor the DOM (nodenext)', async () => {
    expect(await check('bare', { program: 'every-export.ts', compiler: {} })).toBe('');
  });

  it('need neither Node nor the DOM (bundler, with all the strictness there is)', async () => {
    const compiler = {
      module: 'esnext',
      moduleResolution: 'bundler',
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noPropertyAccessFromIndexSignature: true,
      verbatimModuleSyntax: true,
    };
    expect(await check('bundler', { program: 'every-export.ts', compiler })).toBe('');
  });

  it('fit those of the DOM', async () => {
    const compiler = { lib: ['ES2022', 'DOM', 'DOM.Iterable'], exactOptionalPropertyTypes: true };
    expect(await check('dom', { program: 'with-dom.ts', compiler })).toBe('');
    expect(await check('dom-all', { program: 'every-export.ts', compiler })).toBe('');
  });

  it('fit those of Node', async () => {
    const project = { compiler: { types: ['node'] }, packages: ['@types/node'] };
    expect(await check('node', { program: 'with-node.ts', ...project })).toBe('');
    const exact = {
      compiler: { ...project.compiler, exactOptionalPropertyTypes: true },
      packages: project.packages,
    };
    expect(await check('node-exact', { program: 'with-node.ts', ...exact })).toBe('');
  });

  it('fit those of the DOM and of Node together', async () => {
    const both = { lib: ['ES2022', 'DOM', 'DOM.Iterable'], types: ['node'], skipLibCheck: true };
    const project = { program: 'with-node.ts', compiler: both, packages: ['@types/node'] };
    expect(await check('both', project)).toBe('');
  });

  it('fit those of Node to a CommonJS module, where require takes ES modules', async () => {
    const compiler = { types: ['node'], module: 'node20' };
    const project = { program: 'with-node.ts', as: 'program.cts', compiler, packages: ['@types/node'] };
    expect(await check('commonjs', project)).toBe('');
  });
});

describe('the package, installed', () => {
  it.each(['smoke.mjs', 'smoke.cjs'])('does what it should on this Node: %s', async (name) => {
    const project = join(folder, `run-${name}`);
    mkdirSync(project);
    install(tarball, project);
    writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
    for (const file of [name, 'smoke.js']) cpSync(program(file), join(project, file));
    const { code, out, err } = await run(process.execPath, ['--no-warnings', name], { cwd: project });
    expect({ code, out, err }).toEqual({ code: 0, out: 'ok\n', err: '' });
  });
});
