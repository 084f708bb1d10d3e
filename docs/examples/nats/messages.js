// The calls of this service as typed messages. Instances, client and page import this file, so all
// encode the same way.
import { codec } from 'k4net';

const { array, nothing, request, string, struct, uint32 } = codec;

/** The name of the service, under which NATS finds the instances. */
export const service = 'factors';

export const messages = {
  /** The prime factors of a number, and the instance that found them. */
  factors: request(uint32, struct({ instance: string, factors: array(uint32) })),
  /** The number of calls that an instance has answered. */
  load: request(nothing, struct({ instance: string, calls: uint32 })),
  /** Ends an instance at once, to show what happens then. */
  crash: request(nothing, nothing),
};
