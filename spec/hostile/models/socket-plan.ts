import fc from 'fast-check';
import type { PaddingPolicy } from '../../../lib/session/record/padding.js';

export const wires = ['memory', 'TCP', 'Unix socket'] as const;
export type Wire = (typeof wires)[number];
export const securities = ['plain', 'node', 'webcrypto'] as const;
/** No encryption, or the implementation of the cipher. */
export type Security = (typeof securities)[number];

/**
 * The next step of one side. `pause` is the number of turns that the following step waits for it.
 */
export type Step = { readonly pause: number } & (
  | { readonly kind: 'send'; readonly size: number; readonly abort: number | undefined }
  | { readonly kind: 'trySend'; readonly size: number }
  | { readonly kind: 'flush'; readonly timeout: number | undefined; readonly abort: number | undefined }
  | {
      readonly kind: 'recv';
      readonly maxSize: number | undefined;
      readonly timeout: number | undefined;
      readonly abort: number | undefined;
    }
  | { readonly kind: 'tryRecv' }
  | { readonly kind: 'loop' | 'batches'; readonly count: number }
  | { readonly kind: 'end' }
  | { readonly kind: 'close'; readonly last: number | undefined; readonly timeout: number }
  | { readonly kind: 'reset' | 'destroy' }
);

export interface SidePlan {
  readonly recvSize: number | undefined;
  readonly highWaterMark: number | undefined;
  readonly maxSize: number | undefined;
  readonly allowHalfOpen: boolean;
  readonly recordLimit: number | undefined;
  readonly padding: PaddingPolicy;
  readonly steps: readonly Step[];
}

export interface SocketPlan {
  readonly wire: Wire;
  readonly security: Security;
  /** The sides that wait for their handshake before the first step. */
  readonly shaken: 'both' | 'own' | 'none';
  /** Whether the client shows a key of its own, which the server confirms. */
  readonly clientKey: boolean;
  readonly near: SidePlan;
  readonly far: SidePlan;
}

/** Sizes around the limits of the outbox, of records and of the kernel's buffers. */
const size = fc.oneof(
  { weight: 12, arbitrary: fc.nat(80) },
  { weight: 4, arbitrary: fc.integer({ min: 80, max: 3000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 16_300, max: 16_500 }) },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 300_000 }) },
);
const pause = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.nat(4) },
  {
    weight: 1,
    arbitrary: fc.nat(40),
  },
);
const abort = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  {
    weight: 1,
    arbitrary: fc.nat(3),
  },
);
const timeout = fc.constantFrom(undefined, undefined, 0, 1, 5);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 2, arbitrary });

const common: [number, fc.Arbitrary<Step>][] = [
  [12, fc.record({ kind: fc.constant('send'), size, abort, pause })],
  [4, fc.record({ kind: fc.constant('trySend'), size, pause })],
  [2, fc.record({ kind: fc.constant('flush'), timeout, abort, pause })],
  [8, fc.record({ kind: fc.constant('recv'), maxSize: maybe(fc.nat(4000)), timeout, abort, pause })],
  [3, fc.record({ kind: fc.constant('tryRecv'), pause })],
  [2, fc.record({ kind: fc.constant('loop'), count: fc.integer({ min: 1, max: 12 }), pause })],
  [2, fc.record({ kind: fc.constant('batches'), count: fc.integer({ min: 1, max: 4 }), pause })],
];
const lasting: [number, fc.Arbitrary<Step>][] = [
  [1, fc.record({ kind: fc.constant('end'), pause })],
  [
    1,
    fc.record({
      kind: fc.constant('close'),
      last: maybe(size),
      timeout: fc.constantFrom(0, Infinity, 1_000_000),
      pause,
    }),
  ],
  [1, fc.record({ kind: fc.constantFrom('reset', 'destroy'), pause })],
];
const weighted = (choices: [number, fc.Arbitrary<Step>][]) =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
const few = fc.array(weighted(common), { maxLength: 3 });
const many = fc.array(weighted(common), { maxLength: 60 });
/** Most sides end late or let the run end them; some end at once. */
const steps = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: many }, { weight: 1, arbitrary: few }),
    fc.oneof(
      { weight: 3, arbitrary: fc.array(weighted([...common, ...lasting]), { maxLength: 12 }) },
      { weight: 1, arbitrary: fc.array(weighted(lasting), { maxLength: 2 }) },
    ),
    few,
  )
  .map((parts) => parts.flat());

const side: fc.Arbitrary<SidePlan> = fc.record({
  recvSize: maybe(fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 100, max: 5000 }))),
  highWaterMark: maybe(fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 200, max: 100_000 }))),
  maxSize: fc.oneof(
    { weight: 9, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.integer({ min: 100, max: 20_000 }) },
  ),
  allowHalfOpen: fc.boolean(),
  recordLimit: maybe(fc.integer({ min: 16_384, max: 200_000 })),
  padding: fc.constantFrom<PaddingPolicy[]>('none', 'none', 'padme', 'block:64', 'block:4096'),
  steps,
});

/** Random plans of one combination. */
export function socketPlans(wire: Wire, security: Security): fc.Arbitrary<SocketPlan> {
  return fc.record({
    wire: fc.constant(wire),
    security: fc.constant(security),
    shaken: fc.constantFrom<SocketPlan['shaken'][]>('both', 'own', 'none'),
    clientKey: fc.boolean(),
    near: side,
    far: side,
  });
}
