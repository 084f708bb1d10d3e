/** What the other end is told of an error. */
interface Failure {
  readonly code: string;
  readonly message: string;
}

const unknown: Failure = { code: '', message: 'it failed' };

/** What the other end is told of an error: its code and its message, and never where it was thrown. Never throws. */
export function describeFailure(error: unknown): Failure {
  if (typeof error === 'string') return { code: '', message: error };
  try {
    if (!(error instanceof Error)) return unknown;
    const { code, message }: { code?: unknown; message: unknown } = error;
    return {
      code: typeof code === 'string' ? code : '',
      message: typeof message === 'string' ? message : unknown.message,
    };
  } catch {
    // Anything can be thrown, also what throws when it is looked at.
    return unknown;
  }
}
