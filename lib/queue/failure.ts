/** What the other end is told of an error: its code and its message, and never where it was thrown. */
export function describeFailure(error: unknown): { readonly code: string; readonly message: string } {
  if (!(error instanceof Error))
    return { code: '', message: typeof error === 'string' ? error : 'it failed' };
  return {
    code: 'code' in error && typeof error.code === 'string' ? error.code : '',
    message: error.message,
  };
}
