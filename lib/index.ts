export { EndOfDataError, K4netError, MalformedError, TimeoutError, TooLargeError } from './errors.js';
export type { K4netErrorCode, K4netErrorOptions } from './errors.js';
