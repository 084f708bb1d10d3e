import { dialTcp } from '#net';
import type { Opener } from '../net/dialing.js';
import { urlEndpoint, type Endpoint } from '../net/endpoint.js';
import { dialWebSocket } from '../net/web-socket-dial.js';
import { checkDialOptions } from '../net/web-socket-options.js';
import { TimeoutError } from '../errors.js';
import { causeOf, debug } from '../util/debug.js';
import { startTimer, type AbortSignalLike } from '../util/wait.js';
import type { Hub } from './hub.js';
import { ping, type ServiceInstance } from './ping.js';

/** Milliseconds to wait for an instance that tells its address. */
const findTime = 300;
/** Milliseconds for the connection to that address, handshake included. */
const directTime = 2_000;
const longestUrl = 512;

/** The address that an instance tells in its metadata; undefined for none, or a wrong one. */
export function directEndpoint({ metadata }: ServiceInstance): Endpoint | undefined {
  const { direct } = metadata;
  // A path of this machine is no address that an instance elsewhere may choose.
  if (direct === undefined || direct.length > longestUrl || !/^(?:tcp|wss?):/i.test(direct)) return undefined;
  try {
    return urlEndpoint(direct);
  } catch {
    return undefined;
  }
}

/**
 * Tries the address that an instance tells, and otherwise the session over NATS. The handshake is
 * the same, so an instance without the key of the service gains nothing.
 *
 * @param instance - the id of the instance; undefined for the first one that tells an address.
 */
export function directFirst<S>(opener: Opener<S>, hub: Hub, name: string, instance?: string): Opener<S> {
  return async (dial, signal) => {
    const found = await findDirect(hub, name, instance).catch(() => undefined);
    if (!found) return opener(dial, signal);
    const limited = limit(signal);
    try {
      return await opener((inner) => dialEndpoint(found, inner), limited.signal);
    } catch (error) {
      if (signal.aborted) throw error;
      debug?.(`no direct connection to ${found.name}, ${causeOf(error)}: over NATS`);
    } finally {
      limited.end();
    }
    return opener(dial, signal);
  };
}

async function findDirect(hub: Hub, name: string, instance?: string): Promise<Endpoint | undefined> {
  const enough = (each: ServiceInstance): boolean => directEndpoint(each) !== undefined;
  const found = await ping(hub, name, { timeout: findTime, limit: 64, instance, enough });
  const direct = found.find(enough);
  return direct && directEndpoint(direct);
}

function dialEndpoint(endpoint: Endpoint, signal: AbortSignal): ReturnType<typeof dialTcp> {
  const { address, url, name } = endpoint;
  return address ? dialTcp(address, signal) : dialWebSocket(url, name, checkDialOptions(undefined), signal);
}

/** A signal that also aborts after `directTime`. */
function limit(signal: AbortSignalLike): { readonly signal: AbortSignal; end(): void } {
  const stop = new AbortController();
  const timer = startTimer(() => {
    stop.abort(new TimeoutError('the direct address did not answer', directTime));
  }, directTime);
  const onAbort = (): void => {
    stop.abort(signal.reason);
  };
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  return {
    signal: stop.signal,
    end: () => {
      timer.stop();
      signal.removeEventListener('abort', onAbort);
    },
  };
}
