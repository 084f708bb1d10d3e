import { parseArgs } from 'node:util';

/** A wrong command line. The program prints its usage and exits with code 2. */
export class UsageError extends Error {}

/** The checked arguments of a command. */
export interface Arguments {
  /** The positional arguments, in the order of `names`. */
  readonly positionals: readonly string[];
  /** Values of the options that were given. */
  readonly options: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads the arguments of a command.
 *
 * @param names - names of the positional arguments. The last one may be missing if it is in square
 * brackets.
 * @param options - names of options, which take a value and may be missing.
 * @throws UsageError for missing, extra or unknown arguments.
 */
export function readArguments(
  args: readonly string[],
  names: readonly string[],
  options: readonly string[] = [],
): Arguments {
  const read = (): Arguments => {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: Object.fromEntries(options.map((name) => [name, { type: 'string' as const }])),
    });
    return { positionals, options: values };
  };
  const found = checked(read);
  const { length } = found.positionals;
  const needed = names.filter((name) => !name.startsWith('['));
  if (length < needed.length) throw new UsageError(`${names[length] ?? ''} is missing`);
  if (length > names.length)
    throw new UsageError(`unexpected argument '${found.positionals[names.length] ?? ''}'`);
  return found;
}

/** Runs a check of arguments. Throws a UsageError in place of a TypeError or RangeError. */
export function checked<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}
