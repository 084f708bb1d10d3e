import { FileError } from '../errors.js';
import { fingerprintOfFile, keyFile, makeServerKey } from '../trust/key-file.js';
import { readArguments, checked, UsageError } from './arguments.js';

/**
 * Creates a server's key in `<path>.sk` and prints its fingerprint. Never overwrites a file.
 * Returns the exit code.
 */
export async function keygen(args: readonly string[]): Promise<number> {
  const { positionals, options } = readArguments(args, ['PATH'], ['size']);
  const [path = ''] = positionals;
  const file = checked(() => keyFile(path, '.sk'));
  const pair = await makeServerKey(path, sizeOf(options['size']));
  if (!pair) throw new FileError(file, 'exists already and was not changed');
  process.stdout.write(`${pair.fingerprint}\n`);
  return 0;
}

function sizeOf(text: string | undefined): 2048 | 3072 | 4096 | undefined {
  if (text === undefined) return undefined;
  for (const size of [2048, 3072, 4096] as const) if (text === String(size)) return size;
  throw new UsageError(`--size must be 2048, 3072 or 4096, not '${text}'`);
}

/** Prints the fingerprint of the key in a file. Returns the exit code. */
export async function fingerprint(args: readonly string[]): Promise<number> {
  const [file = ''] = readArguments(args, ['FILE']).positionals;
  process.stdout.write(`${await fingerprintOfFile(file)}\n`);
  return 0;
}
