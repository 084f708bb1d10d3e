import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { root, run } from '../support/dist.js';

/** Packs the package as it is built, and gives the tarball's path. */
export async function pack(folder: string): Promise<string> {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { code, out, err } = await run(npm, args);
  if (code !== 0) throw new Error(`npm pack failed: ${err}`);
  const [{ filename }] = JSON.parse(out) as [{ filename: string }];
  return join(folder, filename);
}

/** The files of a tarball as npm makes it, without the leading `package/`. */
export function filesOf(tarball: string): Map<string, Buffer> {
  const bytes = gunzipSync(readFileSync(tarball));
  const files = new Map<string, Buffer>();
  for (let at = 0; bytes[at] !== 0 && at < bytes.length;) {
    const field = (from: number, length: number): string =>
      bytes.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(field(124, 12), 8);
    const prefix = field(345, 155);
    const name = prefix === '' ? field(0, 100) : `${prefix}/${field(0, 100)}`;
    if (['0', ''].includes(field(156, 1)))
      files.set(name.replace(/^package\//, ''), bytes.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

/**
 * Puts the package of the tarball and everything that it depends on into a project's
 * `node_modules`.
 */
export function install(tarball: string, project: string): void {
  const files = filesOf(tarball);
  for (const [name, content] of files) {
    const path = join(project, 'node_modules/k4net', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  installAll(project, dependenciesOf(files.get('package.json')!.toString()));
}

/** Copies packages, and what they depend on, from the repository's `node_modules`. */
export function installAll(project: string, names: readonly string[]): void {
  for (const name of names) {
    const from = join(root, 'node_modules', name);
    cpSync(from, join(project, 'node_modules', name), { recursive: true });
    installAll(project, dependenciesOf(readFileSync(join(from, 'package.json'), 'utf8')));
  }
}

function dependenciesOf(manifest: string): string[] {
  const { dependencies = {} } = JSON.parse(manifest) as { dependencies?: Record<string, string> };
  return Object.keys(dependencies);
}
