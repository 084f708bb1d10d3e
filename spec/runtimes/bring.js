// Brings runtimes of exact versions. The npm registry has their binaries as packages.
//
// A download is kept in $K4NET_CACHE, or in ~/.cache/k4net, and used again.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

const cache = process.env['K4NET_CACHE'] ?? path.join(homedir(), '.cache', 'k4net');
const windows = process.platform === 'win32';
const { arch } = process;

/** The oldest Node that the manifest admits, the newest of each line, and the other runtimes. */
export const runtimes = [
  ...['20.19.0', '20.20.2', '22.23.3', '24.21.0', '26.10.0'].map((version) => ({
    id: `node-${version}`,
    kind: 'node',
    name: `Node ${version}`,
    version,
    package: `node-${windows ? 'win' : process.platform}-${arch}`,
    binary: windows ? 'bin/node.exe' : 'bin/node',
    run: [],
  })),
  {
    id: 'bun',
    kind: 'bun',
    name: 'Bun 1.4.5',
    version: '1.4.5',
    package: bunPackage(),
    binary: windows ? 'bin/bun.exe' : 'bin/bun',
    run: [],
  },
  {
    id: 'deno',
    kind: 'deno',
    name: 'Deno 2.9.6',
    version: '2.9.6',
    package: `@deno/${process.platform}-${arch}${process.platform === 'linux' ? '-glibc' : ''}`,
    binary: windows ? 'deno.exe' : 'deno',
    run: ['run', '-A', '--no-lock', '--node-modules-dir=manual'],
  },
];

/** Runs npm and returns what it printed. Throws if it fails. */
export function npm(args, cwd) {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  // Windows can start npm, a batch file, only through a shell.
  const options = { cwd, encoding: 'utf8', shell: windows, stdio: ['ignore', 'pipe', 'pipe'] };
  return must(spawnSync('npm', [...args, ...quiet], options), `npm ${args.join(' ')}`);
}

/** Whether the registry answers. */
export function registryAnswers() {
  try {
    npm(['ping', '--fetch-retries=1', '--fetch-timeout=20000'], process.cwd());
    return true;
  } catch {
    return false;
  }
}

/** Whether a runtime is in the cache, so that the registry is not needed. */
export function isCached(runtime) {
  return existsSync(binaryOf(runtime, folderOf(runtime)));
}

/** Returns the path of the binary, and installs it if the cache does not have it. */
export function bring(runtime) {
  const folder = folderOf(runtime);
  const binary = binaryOf(runtime, folder);
  if (!existsSync(binary)) install(runtime, folder);
  return binary;
}

/**
 * Installs into a folder of its own, which gets its name when the binary has run. So an install
 * that was interrupted is never used, and two processes may install at the same time.
 */
function install(runtime, folder) {
  mkdirSync(cache, { recursive: true });
  const part = mkdtempSync(`${folder}.part-`);
  try {
    writeFileSync(path.join(part, 'package.json'), '{"private":true}');
    npm(['install', '--ignore-scripts', '--prefer-offline', `${runtime.package}@${runtime.version}`], part);
    const binary = binaryOf(runtime, part);
    const said = must(spawnSync(binary, ['--version'], { encoding: 'utf8' }), `${runtime.name} --version`);
    if (!said.includes(runtime.version)) throw new Error(`${runtime.name} says that it is ${said}`);
    renameSync(part, folder);
  } catch (error) {
    // Another process has installed it in the meantime.
    if (existsSync(binaryOf(runtime, folder))) return;
    throw error;
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

function folderOf(runtime) {
  return path.join(cache, `${runtime.package.replace('@', '').replaceAll('/', '-')}-${runtime.version}`);
}

function binaryOf(runtime, folder) {
  return path.join(folder, 'node_modules', runtime.package, runtime.binary);
}

/** The build of Bun for old processors is slower; others need AVX2. */
function bunPackage() {
  const system = windows ? 'windows' : process.platform;
  const base = `@oven/bun-${system}-${arch === 'arm64' ? 'aarch64' : arch}`;
  const old = system === 'linux' && arch === 'x64' && !readFileSync('/proc/cpuinfo', 'utf8').includes('avx2');
  return old ? `${base}-baseline` : base;
}

function must(result, what) {
  if (result.status === 0) return result.stdout;
  throw new Error(`${what} failed:\n${result.error ?? ''}${result.stdout ?? ''}${result.stderr ?? ''}`);
}
