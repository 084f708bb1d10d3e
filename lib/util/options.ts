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
    throw new TypeError(`the options of ${where} must be an object, not ${kindOf(options)}`);
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
      throw new TypeError(`unknown option '${name}' of ${where}: known options are ${known.join(', ')}`);
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

/** One option: its default, and the check of a value that the caller gave. */
export interface OptionRule<T> {
  /** The value when the option is left out or undefined. */
  readonly fallback: T;
  /**
   * Marks a security option. If it is present but undefined, the check throws a TypeError:
   * otherwise `pin: process.env.PIN` without that variable would become trust on first use.
   */
  readonly security?: boolean;
  /** @throws TypeError for a value of another type, RangeError for a number out of range. */
  check(name: string, value: never): T;
}

/** Checked options. An undefined option was left out. */
export type OrUndefined<T> = { readonly [K in keyof T]?: T[K] | undefined };

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
 * Checks the options of a caller and fills in the defaults. Reads and rejects properties like
 * `ownOptions`.
 *
 * @throws TypeError also for a security option that is present but undefined.
 */
export function checkOptions<Options extends object, Unset extends keyof Options = never>(
  where: string,
  options: Options | undefined,
  table: OptionTable<Options, Unset>,
): Checked<Options, Unset> {
  const own = ownOptions(where, options, Object.keys(table));
  const checked = Object.create(null) as Record<string, unknown>;
  for (const [name, rule] of Object.entries<OptionRule<unknown>>(table)) {
    const value: unknown = own[name as keyof Options];
    if (value !== undefined) checked[name] = rule.check(name, value as never);
    else if (rule.security === true && name in own) throw undefinedOption(where, name);
    else checked[name] = rule.fallback;
  }
  return checked as Checked<Options, Unset>;
}

function undefinedOption(where: string, name: string): TypeError {
  return new TypeError(
    `option '${name}' of ${where} is undefined (an environment variable that is not set?): give it a value, or leave it out`,
  );
}

/**
 * The options of one table out of a larger set, as they were given.
 *
 * @param options - as `ownOptions` or `checkOptions` returned them.
 */
export function pickOptions<Options extends object>(
  options: Options,
  table: { readonly [Name in keyof Options]-?: unknown },
): Options {
  const picked = Object.create(null) as Record<string, unknown>;
  for (const name of Object.keys(table)) picked[name] = options[name as keyof Options];
  return picked as Options;
}

/** The same rule without a default: an option that is left out is undefined. */
export function optional<T>(rule: OptionRule<T>): OptionRule<T | undefined> {
  return { ...rule, fallback: undefined };
}

/** The rule of a security option. */
export function security<T>(rule: OptionRule<T>): OptionRule<T> {
  return { ...rule, security: true };
}

/** A value whose check needs other options or I/O: the code that uses the value checks it. */
export function uncheckedRule<T>(): OptionRule<T | undefined> {
  return { fallback: undefined, check: (_name, value: T) => value };
}

/** A whole number. */
export function countRule(fallback: number, minimum: number, maximum: number): OptionRule<number> {
  return { fallback, check: (name, value: unknown) => integer(name, value, minimum, maximum) };
}

/** A whole number of bytes. */
export const bytesRule: typeof countRule = countRule;

/** A time in milliseconds; Infinity is no limit. */
export function millisecondsRule(fallback: number = Infinity): OptionRule<number> {
  return {
    fallback,
    check: (name, value: unknown) => {
      const given = checkNumber(name, value);
      if (given >= 0) return given;
      throw new RangeError(`${name} must be a number of milliseconds from 0 up, not ${given}`);
    },
  };
}

/** A boolean. `T` is `true` or `false` where the overloads of a function accept only that value. */
export function flagRule<T extends boolean = boolean>(fallback: boolean): OptionRule<T> {
  return {
    fallback: fallback as T,
    check: (name, value: T) => {
      if (typeof value === 'boolean') return value;
      throw new TypeError(`${name} must be a boolean, not ${kindOf(value)}`);
    },
  };
}

/** A string. */
export function stringRule(): OptionRule<string | undefined> {
  return {
    fallback: undefined,
    check: (name, value: unknown) => {
      if (typeof value === 'string') return value;
      throw new TypeError(`${name} must be a string, not ${kindOf(value)}`);
    },
  };
}

/** One of a few strings. The first is the default. */
export function choiceRule<T extends string>(words: readonly [T, ...T[]]): OptionRule<T> {
  return {
    fallback: words[0],
    check: (name, value: T) => {
      if (words.includes(value)) return value;
      const list = words.map((word) => `'${word}'`).join(' or ');
      const given = typeof value === 'string' ? `'${value as string}'` : kindOf(value);
      throw new TypeError(`${name} must be ${list}, not ${given}`);
    },
  };
}

/** One of a few numbers. */
export function oneOfRule<T extends number>(numbers: readonly T[]): OptionRule<T | undefined> {
  return {
    fallback: undefined,
    check: (name, value: T) => {
      if (numbers.includes(value)) return value;
      throw new RangeError(`${name} must be one of ${numbers.join(', ')}, not ${String(value)}`);
    },
  };
}

/** A function of the program. */
export function functionRule<T>(): OptionRule<T | undefined> {
  return {
    fallback: undefined,
    check: (name, value: T) => {
      checkFunction(name, value);
      return value;
    },
  };
}

/** @throws TypeError for a value that is not a function. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw new TypeError(`${name} must be a function, not ${kindOf(value)}`);
}

/** A whole number within bounds. Accepts Infinity if the maximum is Infinity. */
export function integer(name: string, value: unknown, minimum: number, maximum: number): number {
  const given = checkNumber(name, value);
  const whole = Number.isInteger(given) || given === Infinity;
  if (whole && given >= minimum && given <= maximum) return given;
  throw new RangeError(`${name} must be a whole number from ${minimum} to ${maximum}, not ${given}`);
}

function checkNumber(name: string, value: unknown): number {
  if (typeof value === 'number') return value;
  throw new TypeError(`${name} must be a number, not ${kindOf(value)}`);
}
