// The members of the namespace `codec`.
export {
  bool,
  bytes,
  fixedBytes,
  float16,
  float32,
  float64,
  int16,
  int24,
  int32,
  int64,
  int8,
  nothing,
  string,
  uint16,
  uint24,
  uint32,
  uint64,
  uint8,
} from './primitives.js';
export { array, map, record, tuple } from './collections.js';
export { date } from './date.js';
export { json } from './json.js';
export type { Input, Output } from './codec.js';
export { request, stream } from './messages.js';
export { decode, encode } from './payload.js';
export { lazy, nullable, optional, struct } from './struct.js';
export { enumeration, union } from './union.js';
