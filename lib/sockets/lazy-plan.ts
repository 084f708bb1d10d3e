import { K4netError } from '../errors.js';
import type { Handshake } from '../session/handshake/machine.js';
import type { Session } from '../session/session.js';
import type { Peer } from './peer.js';
import type * as node from './session-plan.js';

// The form of `#plan` for browsers. Handshake, keys and ciphers are in a chunk of their own, so
// that the start of a page does not wait for them.

export const clientPlan: typeof node.clientPlan = (options) =>
  new LazyPlan(options.handshakeTimeout, (plans) => plans.clientPlan(options));

export const serverPlan: typeof node.serverPlan = (options) =>
  new LazyPlan(options.handshakeTimeout, (plans) => plans.serverPlan(options));

export const loadPlans: typeof node.loadPlans = async () => (await loadModule()).loadPlans();

/**
 * Loads the code of the handshake when the handshake begins. That code also checks the contents of
 * keys and pins: an invalid one fails the handshake, while the form for Node throws in the
 * constructor.
 */
class LazyPlan implements node.PeerPlan {
  readonly timeout: number;
  readonly #create: (plans: typeof node) => node.PeerPlan;
  #loaded: node.PeerPlan | undefined;

  constructor(timeout: number, create: (plans: typeof node) => node.PeerPlan) {
    this.timeout = timeout;
    this.#create = create;
  }

  async begin(): Promise<Handshake> {
    const plans = await loadModule();
    try {
      this.#loaded = this.#create(plans);
    } catch (cause) {
      if (K4netError.is(cause)) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new K4netError('K4NET_STATE', `the options of an EncryptedSocket are invalid: ${why}`, { cause });
    }
    return this.#loaded.begin();
  }

  succeeded(session: Session): Promise<void> {
    return this.#plan.succeeded(session);
  }

  peerOf(session: Session): Peer {
    return this.#plan.peerOf(session);
  }

  get #plan(): node.PeerPlan {
    if (this.#loaded) return this.#loaded;
    throw new K4netError('K4NET_INTERNAL', 'there is a session before its handshake');
  }
}

async function loadModule(): Promise<typeof node> {
  try {
    return await import('./session-plan.js');
  } catch (cause) {
    throw new K4netError('K4NET_CONNECTION', 'the code of the handshake could not be loaded', { cause });
  }
}
