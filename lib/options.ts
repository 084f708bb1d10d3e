import { kindOf } from './bytes.js';

/** Refuses an option object that has a name nobody knows: a misspelt option would be an option silently not set. */
export function checkNames(where: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new TypeError(`the options of ${where} are an object, not ${kindOf(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new TypeError(`${where} has no option '${name}'; it knows ${known.join(', ')}`);
    }
  }
}

/** A whole number within bounds, or its default where it is left out. */
export function integer(
  name: string,
  value: number | undefined,
  fallback: number,
  minimum: number,
  maximum: number,
): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number') throw new TypeError(`${name} is a number, not ${kindOf(value)}`);
  if ((Number.isInteger(value) || value === Infinity) && value >= minimum && value <= maximum) return value;
  throw new RangeError(`${name} is a whole number from ${minimum} to ${maximum}, not ${value}`);
}

/** A flag, or its default where it is left out. */
export function flag(name: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw new TypeError(`${name} is a boolean, not ${kindOf(value)}`);
  return value;
}

/** A time in milliseconds; Infinity (also for undefined) is no limit. */
export function milliseconds(name: string, value: number | undefined, fallback: number = Infinity): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number') throw new TypeError(`${name} is a number, not ${kindOf(value)}`);
  if (value >= 0) return value;
  throw new RangeError(`${name} is a number of milliseconds from 0 up, not ${value}`);
}

/** One of a few words; the first is the default. */
export function choice<T extends string>(name: string, value: T | undefined, words: readonly [T, ...T[]]): T {
  if (value === undefined) return words[0];
  if (words.includes(value)) return value;
  const list = words.map((word) => `'${word}'`).join(' or ');
  throw new TypeError(
    `${name} is ${list}, not ${typeof value === 'string' ? `'${value as string}'` : kindOf(value)}`,
  );
}
