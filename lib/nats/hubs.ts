import { kindOf } from '../util/bytes.js';
import { Hub } from './hub.js';
import { hubSettings, type NatsOptions } from './hub-settings.js';
import { isNatsConnection, type NatsConnectionLike } from './nats-connection.js';

const hubs = new WeakMap<object, Hub>();

/**
 * The hub of a connection to NATS.
 *
 * @param options - as checked with `natsTable`.
 * @throws TypeError for a value that is no connection, or options that differ from earlier ones.
 */
export function hubFor(nc: NatsConnectionLike, options: NatsOptions): Hub {
  if (!isNatsConnection(nc)) throw new TypeError(`nc must be a connection to NATS, not ${kindOf(nc)}`);
  const found = hubs.get(nc);
  const settings = hubSettings(options, found?.settings);
  if (found) return found;
  const hub = new Hub(nc, settings);
  hubs.set(nc, hub);
  return hub;
}
