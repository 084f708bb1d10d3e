import { toBytes } from '../util/bytes.js';
import type { Hub, HubSubscription } from './hub.js';
import { queueGroup, serviceSubject } from './subjects.js';

// ADR-32 of NATS: every instance answers to `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, so that
// `nats micro` lists k4net services.

/** The description that an instance gives of itself. */
export interface Instance {
  readonly name: string;
  readonly id: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The counters of an instance since its start. */
export interface InstanceStats {
  /** Sessions that clients wanted to open. */
  readonly requests: number;
  /** Those of them that were refused. */
  readonly refused: number;
  /** Why the last one was refused; empty if none was. */
  readonly lastError: string;
  /** Sessions that are open. */
  readonly sessions: number;
}

/** Answers the questions of ADR-32 for one instance. */
export class Discovery {
  readonly #instance: Instance;
  readonly #stats: () => InstanceStats;
  readonly #started = new Date().toISOString();
  readonly #subscriptions: HubSubscription[] = [];

  constructor(instance: Instance, stats: () => InstanceStats) {
    this.#instance = instance;
    this.#stats = stats;
  }

  /** @param onError - gets the error of a subscription that NATS does not permit. */
  open(hub: Hub, onError: (error: Error) => void): void {
    const { name, id } = this.#instance;
    const answers = {
      PING: () => ({ type: responseType('ping'), ...this.#instance }),
      INFO: () => this.#info(),
      STATS: () => this.#counters(),
    };
    for (const [verb, answer] of Object.entries(answers)) {
      for (const scope of ['', `.${name}`, `.${name}.${id}`]) {
        const respond = ({ reply }: { readonly reply?: string | undefined }): void => {
          if (reply === undefined || reply === '') return;
          hub.nc.publish(reply, toBytes(JSON.stringify(answer())));
        };
        this.#subscriptions.push(hub.subscribe(`$SRV.${verb}${scope}`, undefined, respond, onError));
      }
    }
  }

  close(): void {
    for (const each of this.#subscriptions.splice(0)) each.unsubscribe();
  }

  #info(): object {
    const endpoint = { ...endpointOf(this.#instance), metadata: {} };
    return {
      type: responseType('info'),
      ...this.#instance,
      description: 'k4net sessions',
      endpoints: [endpoint],
    };
  }

  #counters(): object {
    const { requests, refused, lastError, sessions } = this.#stats();
    const endpoint = {
      ...endpointOf(this.#instance),
      num_requests: requests,
      num_errors: refused,
      last_error: lastError,
      processing_time: 0,
      average_processing_time: 0,
      data: { sessions },
    };
    return { type: responseType('stats'), ...this.#instance, started: this.#started, endpoints: [endpoint] };
  }
}

function responseType(verb: string): string {
  return `io.nats.micro.v1.${verb}_response`;
}

function endpointOf({ name }: Instance): object {
  return { name: 'sessions', subject: serviceSubject(name), queue_group: queueGroup };
}
