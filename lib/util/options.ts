import { kindOf } from './bytes.js';

/** No options: an empty object that inherits nothing. */
export const noOptions = Object.freeze(Object.create(null)) as Readonly<Record<string, never>>;

/**
 * Copies the options of a caller into an object that inherits nothing, so that a polluted
 * `Object.prototype` sets no option. Every public function reads its options through this one.
 * Lists are copied: the caller may change its list later.
 *
 * @param where - the name of the function or class in errors.
 * @throws TypeError for an unknown name, because a misspelt option would be ignored, and for an
 * inherited option.
 */
export function ownOptions<T extends object>(
  where: string,
  options: T | undefined,
  known: readonly string[],
): T {
  if (options === undefined) return noOptions as T;
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new TypeError(`the options of ${where} are an object, not ${kindOf(options)}`);
  }
  const inherited = inheritedName(options, known);
  if (inherited !== undefined) {
    throw new TypeError(
      `${where} reads own properties only, but '${inherited}' is inherited: write { ${inherited} }`,
    );
  }
  const own = Object.create(null) as Record<string, unknown>;
  for (const name of Object.getOwnPropertyNames(options)) {
    if (!known.includes(name)) {
      throw new TypeError(`${where} has no option '${name}'; it knows ${known.join(', ')}`);
    }
    const value: unknown = options[name as keyof T];
    own[name] = Array.isArray(value) ? (value.slice() as unknown) : value;
  }
  return own as T;
}

/**
 * The name of an option that the options inherit from a class. Example: an `AbortController` in
 * place of `{ signal }`, whose `signal` would be ignored. The last prototype of the chain is the
 * `Object.prototype` of some realm, which sets no option.
 */
function inheritedName(options: object, known: readonly string[]): string | undefined {
  let prototype = prototypeOf(options);
  for (let next = prototype && prototypeOf(prototype); prototype && next; next = prototypeOf(next)) {
    for (const name of known) if (Object.hasOwn(prototype, name)) return name;
    prototype = next;
  }
  return undefined;
}

function prototypeOf(value: object): object | null {
  return Object.getPrototypeOf(value) as object | null;
}

/** A copy of the options with some changes, in an object that inherits nothing. */
export function withOptions<T extends object>(options: T, changes?: Partial<T>): T {
  return Object.assign(Object.create(null), options, changes) as T;
}

const unsetQueueOptions = { timeout: undefined, signal: undefined, id: undefined };

/**
 * Options for the constructor of p-queue or for `add`. p-queue copies options into an object of its
 * own and reads these three from it, through `Object.prototype` if they are absent.
 */
export function queueOptions<T extends object>(options: T): T {
  return { ...unsetQueueOptions, ...options };
}

/**
 * Rejects a security option that is present but undefined: `pin: process.env.PIN` without that
 * variable must not become trust on first use.
 */
export function refuseUndefined(where: string, options: object, names: readonly string[]): void {
  const given: [string, unknown][] = Object.entries(options);
  for (const [name, value] of given) {
    if (value === undefined && names.includes(name)) {
      throw new TypeError(
        `${where}: '${name}' is undefined (an environment variable that is not set?): give it a value, or leave it out`,
      );
    }
  }
}

/** One option: its unit, its default, and the check of a value that the caller gave. */
export interface OptionRule<T> {
  /** The unit of the value, for the reader; undefined for a value without one. */
  readonly unit?: 'bytes' | 'ms';
  /** The value when the option is left out or undefined. */
  readonly fallback: T;
  /** @throws TypeError for a value of another type, RangeError for a number out of range. */
  check(name: string, value: never): T;
}

/**
 * An option set after its check: every option is present. Those in `Unset` have no default and may
 * be undefined.
 */
export type Checked<Options, Unset extends keyof Options = never> = {
  readonly [Name in keyof Options]-?:
    Exclude<Options[Name], undefined> | (Name extends Unset ? undefined : never);
};

/**
 * The table of an option set: one rule for each property of its interface, which the compiler
 * compares. Its keys are the names of the set.
 */
export type OptionTable<Options, Unset extends keyof Options = never> = {
  readonly [Name in keyof Options]-?: OptionRule<Checked<Options, Unset>[Name]>;
};

/**
 * Checks the options of a caller and fills in the defaults; see `ownOptions` for what it reads and
 * refuses.
 */
export function checkOptions<Options extends object, Unset extends keyof Options = never>(
  where: string,
  options: Options | undefined,
  table: OptionTable<Options, Unset>,
): Checked<Options, Unset> {
  return checkValues(ownOptions(where, options, Object.keys(table)), table);
}

/**
 * The options of one table out of a larger set, checked.
 *
 * @param options - as `ownOptions` returned them.
 */
export function checkValues<Options extends object, Unset extends keyof Options = never>(
  options: Options,
  table: OptionTable<Options, Unset>,
): Checked<Options, Unset> {
  const checked = Object.create(null) as Record<string, unknown>;
  for (const [name, rule] of Object.entries<OptionRule<unknown>>(table)) {
    const value: unknown = options[name as keyof Options];
    checked[name] = value === undefined ? rule.fallback : rule.check(name, value as never);
  }
  return checked as Checked<Options, Unset>;
}

/**
 * The options of one table out of a larger set, as they were given.
 *
 * @param options - as `ownOptions` returned them.
 */
export function pickOptions<Options extends object>(
  options: Options,
  table: { readonly [Name in keyof Options]-?: unknown },
): Options {
  const picked = Object.create(null) as Record<string, unknown>;
  for (const name of Object.keys(table)) picked[name] = options[name as keyof Options];
  return picked as Options;
}

/** A whole number of bytes. */
export function bytesRule(fallback: number, minimum: number, maximum: number): OptionRule<number> {
  return {
    unit: 'bytes',
    fallback,
    check: (name, value) => integer(name, value, fallback, minimum, maximum),
  };
}

/** A time in milliseconds; Infinity is no limit. */
export function millisecondsRule(fallback: number = Infinity): OptionRule<number> {
  return { unit: 'ms', fallback, check: (name, value) => milliseconds(name, value, fallback) };
}

/** A boolean. */
export function flagRule(fallback: boolean): OptionRule<boolean> {
  return { fallback, check: (name, value) => flag(name, value, fallback) };
}

/** A whole number within bounds, or the default if it is absent. */
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

/** A flag, or the default if it is absent. */
export function flag(name: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw new TypeError(`${name} is a boolean, not ${kindOf(value)}`);
  return value;
}

/** A time in milliseconds, or the default if it is absent. Infinity is no limit. */
export function milliseconds(name: string, value: number | undefined, fallback: number = Infinity): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number') throw new TypeError(`${name} is a number, not ${kindOf(value)}`);
  if (value >= 0) return value;
  throw new RangeError(`${name} is a number of milliseconds from 0 up, not ${value}`);
}

/** One of a few words. The first is the default. */
export function choice<T extends string>(name: string, value: T | undefined, words: readonly [T, ...T[]]): T {
  if (value === undefined) return words[0];
  if (words.includes(value)) return value;
  const list = words.map((word) => `'${word}'`).join(' or ');
  throw new TypeError(
    `${name} is ${list}, not ${typeof value === 'string' ? `'${value as string}'` : kindOf(value)}`,
  );
}
