// Installs the packed package from the registry and runs it, through `import` and `require`, on
// every line of Node that it promises to serve. The Node binaries come from the registry too, as
// npm packages.
//
//     node spec/package/runtimes.js              where the registry cannot be reached: prints so and skips
//     node spec/package/runtimes.js --required   the same, but a failure; so it is where CI is set
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The oldest version that the manifest admits, then the newest of each line. */
const versions = ['20.19.0', '20.20.2', '22.23.3', '24.21.0', '26.10.0'];

const root = fileURLToPath(new URL('../../', import.meta.url));
const programs = fileURLToPath(new URL('programs/', import.meta.url));
const required = process.argv.includes('--required') || Boolean(process.env['CI']);
const windows = process.platform === 'win32';
const platform = `${windows ? 'win' : process.platform}-${process.arch}`;

function npm(args, cwd) {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  return spawnSync('npm', [...args, ...quiet], {
    cwd,
    encoding: 'utf8',
    shell: windows,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function must(result, what) {
  if (result.status === 0) return result;
  throw new Error(`${what} failed:\n${result.error ?? ''}${result.stdout ?? ''}${result.stderr ?? ''}`);
}

/** A project in which the package of the tarball is installed, with the programs that use it. */
function makeProject(folder) {
  const packed = must(
    npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root),
    'npm pack',
  );
  const [{ filename }] = JSON.parse(packed.stdout);
  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  must(npm(['install', join(folder, filename)], project), 'installing the tarball');
  for (const name of ['smoke.js', 'smoke.mjs', 'smoke.cjs'])
    copyFileSync(join(programs, name), join(project, name));
  return project;
}

/** The path of a Node binary of that version, brought by the registry. */
function bring(version, folder) {
  const name = `node-${platform}`;
  const prefix = join(folder, version);
  mkdirSync(prefix);
  writeFileSync(join(prefix, 'package.json'), '{"private":true}');
  must(npm(['install', '--ignore-scripts', `${name}@${version}`], prefix), `installing ${name}@${version}`);
  return join(prefix, 'node_modules', name, 'bin', windows ? 'node.exe' : 'node');
}

function check(node, version, program, project) {
  const options = { cwd: project, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 };
  const said = must(spawnSync(node, ['-p', 'process.version'], options), `node ${version}`).stdout.trim();
  if (said !== `v${version}`) throw new Error(`the binary of ${version} says that it is ${said}`);
  const result = must(spawnSync(node, [program], options), `${program} on Node ${version}`);
  if (result.stdout !== 'ok\n') throw new Error(`${program} on Node ${version} said: ${result.stdout}`);
  // Node 20 and 22 call require() of an ES module experimental; import has nothing to warn of.
  if (program.endsWith('.mjs') && result.stderr !== '') {
    throw new Error(`${program} on Node ${version} warned: ${result.stderr}`);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'k4net-runtimes-'));
try {
  if (npm(['ping', '--fetch-retries=1', '--fetch-timeout=20000'], folder).status !== 0) {
    const message = 'the npm registry cannot be reached, and the Node versions come from there';
    if (required) throw new Error(message);
    console.log(`skipped: ${message}`);
  } else {
    const project = makeProject(folder);
    for (const version of versions) {
      const node = bring(version, folder);
      for (const program of ['smoke.mjs', 'smoke.cjs']) {
        check(node, version, program, project);
        console.log(`Node ${version}: ${program === 'smoke.mjs' ? 'import' : 'require'} works`);
      }
      rmSync(join(folder, version), { recursive: true, force: true });
    }
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
