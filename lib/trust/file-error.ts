import { K4netError } from '../errors.js';

/**
 * A file of keys that cannot be read or written, or that is not what it should be (`K4NET_STATE`). What is in the file
 * is never part of the error.
 */
export class FileError extends K4netError {
  /** The file in question. */
  readonly path: string;

  constructor(path: string, what: string, cause?: unknown) {
    super('K4NET_STATE', `'${path}' ${what}`, { cause });
    this.path = path;
  }
}

/** The code of a system error, such as `ENOENT`; an empty string for anything else. */
export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Runs an operation on a file, and says of which file and in which attempt it failed. */
export async function attempt<T>(path: string, what: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (K4netError.is(error)) throw error;
    const code = systemCode(error);
    throw new FileError(path, code === '' ? what : `${what} (${code})`, error);
  }
}
