import fc from 'fast-check';

export const queueWires = ['plain in memory', 'plain over TCP', 'encrypted over TCP'] as const;
export type QueueWire = (typeof queueWires)[number];

/** Names whose callbacks are registered and removed; `leaf` and `sink` always have one. */
const changing = ['a', 'b', 'c', 'd'] as const;
const everyName = [...changing, 'leaf', 'sink', 'nobody'] as const;

/**
 * The behaviour of a callback: it is done at once (`return`, `throw`) or after some turns (`wait`,
 * `reject`); calls the peer's `leaf` before it answers (`call`); sends a message (`send`); or
 * registers or removes another callback (`change`).
 */
export interface Behaviour {
  readonly kind: 'return' | 'throw' | 'wait' | 'reject' | 'call' | 'send' | 'change';
  readonly turns: number;
  readonly other: (typeof changing)[number];
}

export interface CallbackPlan {
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly concurrency: number | undefined;
  readonly priority: number;
}

export type QueueStep = { readonly pause: number } & (
  | { readonly kind: 'message'; readonly name: string; readonly size: number }
  | { readonly kind: 'raw'; readonly size: number }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly size: number;
      readonly timeout: number;
      readonly abort: number | undefined;
    }
  | { readonly kind: 'register'; readonly callback: CallbackPlan }
  | { readonly kind: 'remove'; readonly name: string }
  | {
      readonly kind: 'recv';
      readonly block: boolean;
      readonly timeout: number | undefined;
      readonly abort: number | undefined;
    }
  | { readonly kind: 'perform' }
  | { readonly kind: 'drain' | 'close' | 'cut' }
);

export interface QueueSidePlan {
  readonly dispatch: 'auto' | 'manual';
  /**
   * When a manual side calls recvRegistered: after the last call has settled, or every few turns.
   */
  readonly performing: 'in turn' | 'overlapping';
  readonly unmatched: 'queue' | 'drop' | 'error';
  readonly concurrency: number;
  readonly requestConcurrency: number;
  readonly callbacks: readonly CallbackPlan[];
  readonly steps: readonly QueueStep[];
}

export interface QueuePlan {
  readonly wire: QueueWire;
  /** The same limits at both ends, as the documentation requires. */
  readonly maxQueuedBytes: number;
  readonly maxQueuedMessages: number;
  readonly near: QueueSidePlan;
  readonly far: QueueSidePlan;
  /** How a case ends if it has not ended before. */
  readonly ending: 'close' | 'drain' | 'both drain';
}

const size = fc.oneof(
  { weight: 6, arbitrary: fc.nat(60) },
  { weight: 2, arbitrary: fc.integer({ min: 60, max: 1500 }) },
  { weight: 1, arbitrary: fc.integer({ min: 16_000, max: 20_000 }) },
);
const pause = fc.oneof(
  { weight: 5, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.nat(3) },
  { weight: 1, arbitrary: fc.nat(20) },
);
const abort = fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(4) });
const name = fc.constantFrom(...everyName);
const behaviour: fc.Arbitrary<Behaviour> = fc.record({
  kind: fc.constantFrom<Behaviour['kind'][]>('return', 'throw', 'wait', 'reject', 'call', 'send', 'change'),
  turns: fc.nat(6),
  other: fc.constantFrom(...changing),
});
const callback: fc.Arbitrary<CallbackPlan> = fc.record({
  name: fc.constantFrom(...changing),
  behaviour,
  concurrency: fc.constantFrom(undefined, undefined, 1, 2, Infinity),
  priority: fc.constantFrom(0, 0, 1),
});

const common: [number, fc.Arbitrary<QueueStep>][] = [
  [12, fc.record({ kind: fc.constant('message'), name, size, pause })],
  [3, fc.record({ kind: fc.constant('raw'), size, pause })],
  [
    12,
    fc.record({
      kind: fc.constant('call'),
      name,
      size,
      timeout: fc.constantFrom(Infinity, Infinity, Infinity, 1, 4),
      abort,
      pause,
    }),
  ],
  [1, fc.record({ kind: fc.constant('register'), callback, pause })],
  [1, fc.record({ kind: fc.constant('remove'), name: fc.constantFrom(...changing), pause })],
  [
    2,
    fc.record({
      kind: fc.constant('recv'),
      block: fc.boolean(),
      timeout: fc.constantFrom(undefined, 0, 2),
      abort,
      pause,
    }),
  ],
  [1, fc.record({ kind: fc.constant('perform'), pause })],
];
const lasting: [number, fc.Arbitrary<QueueStep>] = [
  1,
  fc.record({ kind: fc.constantFrom('drain', 'close', 'cut'), pause }),
];
const weighted = (choices: [number, fc.Arbitrary<QueueStep>][]): fc.Arbitrary<QueueStep> =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
const steps = fc
  .tuple(
    fc.array(weighted(common), { maxLength: 60 }),
    fc.array(weighted([...common, lasting]), { maxLength: 6 }),
  )
  .map((parts) => parts.flat());

const side: fc.Arbitrary<QueueSidePlan> = fc.record({
  dispatch: fc.constantFrom('auto', 'manual'),
  performing: fc.constantFrom('in turn', 'overlapping'),
  unmatched: fc.constantFrom('queue', 'drop', 'error'),
  concurrency: fc.integer({ min: 1, max: 3 }),
  requestConcurrency: fc.constantFrom(1, 2, 3, 1024),
  callbacks: fc.uniqueArray(callback, { selector: (each) => each.name, maxLength: 4 }),
  steps,
});

/** Random plans of one combination. */
export function queuePlans(wire: QueueWire): fc.Arbitrary<QueuePlan> {
  const plans = fc.record({
    wire: fc.constant(wire),
    maxQueuedBytes: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 3000 })),
    maxQueuedMessages: fc.oneof(
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 6 }) },
      { weight: 2, arbitrary: fc.constant(16_384) },
    ),
    near: side,
    far: side,
    ending: fc.constantFrom<QueuePlan['ending'][]>('close', 'drain', 'both drain'),
  });
  // If both sides wait for callbacks that wait for the other side, they deadlock.
  const performsInTurn = ({ dispatch, performing }: QueueSidePlan): boolean =>
    dispatch === 'manual' && performing === 'in turn';
  return plans.filter(({ near, far }) => !performsInTurn(near) || !performsInTurn(far));
}
