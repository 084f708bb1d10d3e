import { kindOf } from '../util/bytes.js';
import type { Codec } from './codec.js';
import { malformed } from './helpers.js';

/** The largest time of a `Date`, in milliseconds. */
const maxTime = 8_640_000_000_000_000n;

/**
 * A `Date`: its time in milliseconds since 1970 as an int64. An invalid `Date` is a RangeError.
 * Other values than those of a `Date` fail to decode.
 */
export const date: Codec<Date> = {
  minSize: 8,
  encode(writer, value) {
    const given: unknown = value;
    if (!(given instanceof Date)) throw new TypeError(`a date must be a Date, not ${kindOf(given)}`);
    const time = given.getTime();
    if (Number.isNaN(time)) throw new RangeError('a date must be valid');
    writer.writeLonglong(BigInt(time));
  },
  decode(reader) {
    const time = reader.readLonglong();
    if (time >= -maxTime && time <= maxTime) return new Date(Number(time));
    throw malformed(reader, reader.tell() - 8, `a date must be within ${maxTime} ms of 1970, not ${time}`);
  },
};
