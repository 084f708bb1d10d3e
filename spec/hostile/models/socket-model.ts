import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { EncryptedSocket } from '../../../lib/sockets/encrypted-socket.js';
import { LockedSocket } from '../../../lib/sockets/locked-socket.js';
import type { LockedSocketOptions } from '../../../lib/sockets/locked-socket-options.js';
import { memoryPair } from '../../../lib/transport/memory.js';
import type { Transport } from '../../../lib/transport/transport.js';
import { tcpPair, unixPair } from '../../support/streams.js';
import { Crashes, Signals, Violations, withinDeadline } from './cases.js';
import type { SidePlan, SocketPlan, Wire } from './socket-plan.js';
import { compareMessages, SocketSide } from './socket-side.js';
import { keys } from '../../support/keys.js';

/** The transport of one case. */
interface Carrier {
  readonly near: Duplex | Transport;
  readonly far: Duplex | Transport;
  readonly dispose: () => Promise<void>;
}

/** Runs one case: both sides at the same time, then the rules. */
export async function runSocketCase(plan: SocketPlan): Promise<void> {
  const violations = new Violations();
  const signals = new Signals();
  const crashes = new Crashes();
  const carrier = await openCarrier(plan.wire);
  const near = new SocketSide(
    'near',
    makeSocket(plan, 'near', carrier.near),
    plan.near,
    signals,
    violations,
    (how) => breakStream(carrier.near, how),
  );
  const far = new SocketSide(
    'far',
    makeSocket(plan, 'far', carrier.far),
    plan.far,
    signals,
    violations,
    (how) => breakStream(carrier.far, how),
  );
  const state = (): string => `${near.toString()}\n${far.toString()}`;
  try {
    await withinDeadline(runBoth(plan, near, far), state);
    await checkSockets(plan, near, far, violations);
    signals.check(violations);
  } finally {
    await carrier.dispose();
    await crashes.end(violations);
  }
  violations.check(state);
}

async function runBoth({ shaken }: SocketPlan, near: SocketSide, far: SocketSide): Promise<void> {
  const both = shaken === 'none' ? [] : [near, far].map(({ socket }) => shake(socket));
  if (shaken === 'both') await Promise.all(both);
  for (const side of [near, far]) side.shaken = shaken !== 'none';
  const runs = [near, far].map(async (side, index) => {
    if (shaken === 'own') await both[index];
    await side.run();
  });
  await Promise.all(runs);
}

/** Waits for a handshake. Later steps show whether it has succeeded. */
async function shake(socket: LockedSocket): Promise<void> {
  if (socket instanceof EncryptedSocket) await socket.handshake().catch(() => undefined);
}

async function checkSockets(
  plan: SocketPlan,
  near: SocketSide,
  far: SocketSide,
  violations: Violations,
): Promise<void> {
  const tooLarge = [near, far].some((from) => {
    const to = from === near ? far : near;
    return from.sent.some(({ size, state }) => state !== 'refused' && size > (to.plan.maxSize ?? Infinity));
  });
  const broken = near.cut !== undefined || far.cut !== undefined;
  const unused = near.closedUnused || far.closedUnused;
  const cut = broken || tooLarge || unused;
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    const delivered = compareMessages(from, to, violations);
    const missing = from.sent
      .slice(delivered)
      .filter(({ state }) => ['accepted', 'pending', 'lost'].includes(state)).length;
    if (to.ended?.error && !cut) violations.add(`${to.name} failed although nothing was cut`);
    if (to.ended && !to.ended.error && missing > 0 && !mayLookClean(plan, from, to)) {
      violations.add(`${to.name} saw a clean end although ${missing} messages are missing`);
    }
    if (!cut && !to.closed && !to.ended) violations.add(`${to.name} has never seen the end`);
    const info = await to.socket.closed;
    if (info.error && !cut) violations.add(`${to.name} closed with ${info.code} although nothing was cut`);
  }
}

/**
 * A plain socket cannot tell a cut from an end where its system does not: a Unix socket has no
 * reset, a TCP stream that the program destroys below the library sends an end, and a reset below
 * the library that arrives together with data looks like an end once the peer has ended too.
 */
function mayLookClean(plan: SocketPlan, { cut }: SocketSide, peer: SocketSide): boolean {
  if (plan.security !== 'plain' || plan.wire === 'memory' || cut === undefined) return false;
  return plan.wire === 'Unix socket' || cut === 'destroy' || (cut === 'reset' && peer.hasEnded);
}

async function openCarrier(wire: Wire): Promise<Carrier> {
  if (wire === 'TCP') return tcpPair();
  if (wire === 'Unix socket') return unixPair();
  const [near, far] = memoryPair();
  return { near, far, dispose: () => Promise.resolve() };
}

/** Destroys the connection below the library. Returns whether that was a reset. */
function breakStream(stream: Duplex | Transport, how: 'reset' | 'destroy'): 'reset' | 'destroy' {
  if (!(stream instanceof Socket)) {
    if ('abort' in stream) stream.abort();
    return 'reset';
  }
  // Only TCP has a reset, and Node leaks the handle of a stream that is reset while it sends its
  // end.
  const ending = stream.writableEnded && !stream.writableFinished;
  if (how === 'reset' && stream.remoteAddress !== undefined && !ending) {
    stream.resetAndDestroy();
    return 'reset';
  }
  stream.destroy();
  return 'destroy';
}

function makeSocket(plan: SocketPlan, name: 'near' | 'far', stream: Duplex | Transport): LockedSocket {
  const { recvSize, highWaterMark, maxSize, allowHalfOpen, recordLimit, padding }: SidePlan = plan[name];
  const options: LockedSocketOptions = { recvSize, highWaterMark, maxSize, allowHalfOpen };
  if (plan.security === 'plain') return new LockedSocket(stream, options);
  const choices = { ...options, recordLimit, padding, cipher: plan.security, handshakeTimeout: Infinity };
  return name === 'far'
    ? new EncryptedSocket(stream, { ...choices, isServer: true, key: keys.server, clientAuth: 'wanted' })
    : new EncryptedSocket(stream, {
        ...choices,
        key: keys.server.publicKey,
        ...(plan.clientKey && { clientKey: keys.ec }),
      });
}
