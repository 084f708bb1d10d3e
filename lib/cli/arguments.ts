import { parseArgs } from 'node:util';

/** A command line that means nothing: the program prints how it is used, and ends with code 2. */
export class UsageError extends Error {}

/** The arguments of a command, once they have been counted. */
export interface Arguments {
  /** One for each name that was asked for, in that order. */
  readonly positionals: readonly string[];
  /** Values of the options that were given. */
  readonly options: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads the arguments of a command.
 *
 * @param names - what the positional arguments are. One in square brackets, at the end, may be missing.
 * @param options - names of options, each with a value, which may be missing.
 * @throws UsageError for arguments that are missing, too many or unknown.
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
    throw new UsageError(`'${found.positionals[names.length] ?? ''}' is one argument too many`);
  return found;
}

/** Runs a check of arguments, and turns its TypeError or RangeError into a UsageError. */
export function checked<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}
