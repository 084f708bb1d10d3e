import { memoryPair } from '../../../lib/transport/memory.js';
import type { TransportAbilities, TransportPair } from '../../conformance/transport-suite.js';

/** A carrier of which one page or worker can have both ends. */
interface PageCarrier {
  /** The end of the titles of its tests. */
  readonly where: string;
  /** Opens two connected transports. */
  readonly open: () => Promise<TransportPair>;
  readonly abilities: TransportAbilities;
}

const memory: PageCarrier = {
  where: 'in memory',
  open: () => {
    const [near, far] = memoryPair();
    return Promise.resolve({ near, far });
  },
  abilities: { halfClose: true, reset: true, inFlight: 128 * 1024 },
};

export const carriers: readonly PageCarrier[] = [memory];
