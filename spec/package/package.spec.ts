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
    const entries = Object.values(manifest.exports).filter((each) => typeof each !== 'string');
    const forms = [...entries, manifest.bin, ...Object.values(manifest.imports)];
    const named = forms.flatMap((each) => Object.values(each)).map((file) => file.replace('./', ''));
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter((file) => !files.has(file))).toEqual([]);
  });

  it('has no empty file, and no file with a path of the build machine', () => {
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

  it('has whole modules for pages, which import nothing but each other, and nothing of Node', () => {
    const modules = [...files.keys()].filter((name) => /^dist\/web\/.*\.js$/.test(name));
    expect(modules).toContain('dist/web/index.js');
    for (const name of modules) {
      const code = files.get(name)!.toString();
      for (const [, from] of code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["'`]([^"'`]+)["'`]/g))
        expect(modules, name).toContain(posix.join('dist/web', from!));
      expect(code, name).not.toMatch(/\bBuffer\b|\bprocess\b|\brequire\b|\bgetBuiltinModule\b/);
    }
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
    readonly programs: readonly string[];
    readonly compiler: Readonly<Record<string, unknown>>;
    /** Extension of the copies of the programs. */
    readonly extension?: string;
  }

  /** One run of the compiler takes seconds; the limit only detects a hang on a busy machine. */
  const compile = { timeout: 300_000 };

  /** The messages of the compiler about programs in a project of their own. */
  async function check({ programs, compiler, extension = 'ts' }: Project): Promise<string> {
    const project = await mkdtemp(join(folder, 'types-'));
    install(tarball, project);
    if (compiler['types'] !== undefined) installAll(project, ['@types/node']);
    const copies = programs.map((name) => `${name}.${extension}`);
    for (const [index, name] of programs.entries())
      cpSync(program(`${name}.ts`), join(project, copies[index]!));
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
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: copies }));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const { code, out, err } = await run(process.execPath, [tsc, '-p', '.'], { cwd: project });
    return code === 0 ? '' : out + err;
  }

  const everyExport = ['every-export', 'every-queue-export', 'every-nats-export'];

  it('are all used by the programs whose names begin with every, which the next tests compile', () => {
    const names = ['index', 'nats/index'].flatMap((entry) =>
      exportedNames(files.get(`dist/${entry}.d.ts`)!.toString()),
    );
    const some = ['LockedSocket', 'connect', 'codec', 'SendOptions', 'NatsService'];
    expect(names).toEqual(expect.arrayContaining(some));
    const codes = everyExport.map((name) => readFileSync(program(`${name}.ts`), 'utf8'));
    const uses = (name: string): number =>
      Math.max(...codes.map((code) => code.match(new RegExp(`\\b${name}\\b`, 'g'))?.length ?? 0));
    const missing = names.filter((name) => uses(name) < 2);
    expect(missing).toEqual([]);
  });

  it('are checked by a compiler that rejects a program which lacks the types of Node', compile, async () => {
    expect(await check({ programs: ['with-node'], compiler: {} })).toMatch(/node:net/);
  });

  const bundler = {
    module: 'esnext',
    moduleResolution: 'bundler',
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    verbatimModuleSyntax: true,
  };
  const dom = { lib: ['ES2022', 'DOM', 'DOM.Iterable'] };
  const node = { types: ['node'] };

  const projects: Readonly<Record<string, Project>> = {
    'need neither Node nor the DOM, with module nodenext': {
      programs: [...everyExport, 'with-entries'],
      compiler: {},
    },
    'need neither Node nor the DOM, with module resolution bundler and every strict option': {
      programs: [...everyExport, 'with-entries'],
      compiler: bundler,
    },
    'are compatible with those of the DOM': {
      programs: ['with-dom', ...everyExport],
      compiler: { ...dom, exactOptionalPropertyTypes: true },
    },
    'are compatible with those of Node': { programs: ['with-node'], compiler: node },
    'are compatible with those of Node and exactOptionalPropertyTypes': {
      programs: ['with-node'],
      compiler: { ...node, exactOptionalPropertyTypes: true },
    },
    'are compatible with those of the DOM and Node together': {
      programs: ['with-node'],
      compiler: { ...dom, ...node, skipLibCheck: true },
    },
    'are compatible with a CommonJS module whose require loads ES modules': {
      programs: ['with-node'],
      compiler: { ...node, module: 'node20' },
      extension: 'cts',
    },
  };
  for (const [title, project] of Object.entries(projects)) {
    it(title, compile, async () => {
      expect(await check(project)).toBe('');
    });
  }
});

describe('the package, installed', () => {
  it.each(['smoke.mjs', 'smoke.cjs'])('passes the smoke test on this version of Node: %s', async (name) => {
    const project = join(folder, `run-${name}`);
    mkdirSync(project);
    install(tarball, project);
    writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
    for (const file of [name, 'smoke.js']) cpSync(program(file), join(project, file));
    const { code, out, err } = await run(process.execPath, ['--no-warnings', name], { cwd: project });
    expect({ code, out, err }).toEqual({ code: 0, out: 'ok\n', err: '' });
  });
});
