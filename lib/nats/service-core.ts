import type { QueueSocketOptions } from '../queue/queue-socket-options.js';
import { checkedTimeout } from '../sockets/locked-socket-options.js';
import type { CloseOptions } from '../sockets/message-socket.js';
import type { Bytes } from '../util/bytes.js';
import { markHandledByClass, rejectUnhandled, type WaitOptions } from '../util/wait.js';
import { Broadcasts } from './broadcasts.js';
import type { NatsDialer } from './nats-dialer.js';
import type { ServiceInstance } from './ping.js';
import { FailedInstances } from './failed-instances.js';
import { Presence } from './presence.js';
import { ServiceCalls } from './service-calls.js';
import { checkedInstances, type InstancesOptions, type InstanceSent } from './service-options.js';
import { ServiceSessions, type SessionLimits } from './service-sessions.js';

/** Ids of instances that could not be reached, for each instance that may be found. */
const failedPerInstance = 4;

/** The parts of a service, which its views share. */
export class ServiceCore {
  readonly calls: ServiceCalls;
  readonly broadcasts: Broadcasts;
  readonly #sessions: ServiceSessions;

  constructor(
    dialer: NatsDialer,
    limits: SessionLimits & { readonly callTimeout: number },
    queue: QueueSocketOptions,
  ) {
    const { maxInstances, callTimeout } = limits;
    const failed = new FailedInstances(failedPerInstance * maxInstances);
    this.#sessions = new ServiceSessions(dialer, queue, limits, failed);
    const presence = new Presence(dialer.hub, dialer.name, maxInstances, failed);
    this.calls = new ServiceCalls(this.#sessions, callTimeout);
    this.broadcasts = new Broadcasts(this.#sessions, presence, maxInstances, callTimeout);
  }

  /** @param encode - makes the payload. */
  sendAll(name: string, encode: () => Bytes, options: WaitOptions | undefined): Promise<InstanceSent[]> {
    try {
      return this.broadcasts.send(name, encode(), options);
    } catch (error) {
      return rejectUnhandled(error);
    }
  }

  instances(options: InstancesOptions | undefined): Promise<ServiceInstance[]> {
    try {
      const { timeout } = checkedInstances(options);
      return markHandledByClass(this.broadcasts.instances(timeout));
    } catch (error) {
      return rejectUnhandled(error);
    }
  }

  close(options: CloseOptions | undefined): Promise<void> {
    try {
      // A second call may have less time.
      return this.#sessions.close(checkedTimeout('close', options));
    } catch (error) {
      return rejectUnhandled(error);
    }
  }
}
