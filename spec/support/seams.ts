import { readFileSync } from 'node:fs';

type Conditions = Readonly<Record<string, string>>;

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly imports: Readonly<Record<string, Conditions>>;
};

const entries = Object.entries(manifest.imports);

/**
 * For each `#` specifier of the manifest, its forms as files in lib/. The first is the one for
 * Node.
 */
export const seamSources: ReadonlyMap<string, readonly string[]> = new Map(
  entries.map(([name, { default: node, ...others }]) => [
    name,
    [...new Set([node!, ...Object.values(others)])].map(sourceOf),
  ]),
);

/**
 * The same as the `imports` of a manifest for lib/ compiled file by file, with its root beside
 * them.
 */
export const compiledSeams: Readonly<Record<string, string>> = Object.fromEntries(
  entries.map(([name, { default: file }]) => [name, file!.replace('./dist/', './')]),
);

function sourceOf(file: string): string {
  return file.replace('./dist/', 'lib/').replace(/\.js$/, '.ts');
}
