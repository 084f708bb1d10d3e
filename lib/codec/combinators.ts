export {
  bool,
  float16,
  float32,
  float64,
  int16,
  int24,
  int32,
  int64,
  int8,
  nothing,
  uint16,
  uint24,
  uint32,
  uint64,
  uint8,
} from './numbers.js';
export { bytes, fixedBytes, string } from './strings.js';
export { array, tuple } from './array.js';
export { map, record } from './map.js';
export { struct } from './struct.js';
export { enumeration, union } from './union.js';
export { nullable, optional } from './optional.js';
export { lazy } from './lazy.js';
export { request } from './messages.js';
export { decode, encode } from './encode.js';
export type { Input, Output } from './types.js';
