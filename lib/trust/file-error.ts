import { FileError, K4netError, systemCode } from '../errors.js';

/** Runs an operation on a file, and says of which file and in which attempt it failed. */
export async function withFileErrors<T>(path: string, what: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (K4netError.is(error)) throw error;
    const code = systemCode(error);
    throw new FileError(path, code === '' ? what : `${what} (${code})`, error);
  }
}
