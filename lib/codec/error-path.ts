/** One part of a value: a field by its name, an element by its number. */
export type Step = string | number;

interface Trail {
  readonly error: unknown;
  /** The innermost first. */
  readonly steps: Step[];
}

// Kept beside the errors and not in them: what is thrown stays what it was, and a value that fits costs nothing.
const trails = new WeakMap<object, Trail>();

/**
 * Remembers on the way out that an error came from this part.
 *
 * @param cursor - the reader or the writer, which tells one payload from the next.
 */
export function passed(cursor: object, error: unknown, step: Step): void {
  const trail = trails.get(cursor);
  if (trail !== undefined && trail.error === error) trail.steps.push(step);
  else trails.set(cursor, { error, steps: [step] });
}

/** The path to the part that an error came from; empty where it came from no part. */
export function pathOf(cursor: object, error: unknown): string {
  const trail = trails.get(cursor);
  return trail !== undefined && trail.error === error ? formatPath(trail.steps.toReversed()) : '';
}

const word = /^[A-Za-z_$][\w$]*$/;

/** Steps as a program would write them, such as `items[3].who`. */
export function formatPath(steps: readonly Step[]): string {
  let path = '';
  for (const step of steps) {
    if (typeof step === 'number') path += `[${step}]`;
    else if (!word.test(step)) path += `[${JSON.stringify(step)}]`;
    else path += path === '' ? step : `.${step}`;
  }
  return path;
}
