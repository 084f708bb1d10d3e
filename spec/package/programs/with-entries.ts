// Type-checked against the packed package, with neither Node's types nor the DOM's. It is never
// run.
import {
  type BinaryReader,
  codec,
  type Codec,
  type DecodeError,
  type EncryptedSocket,
  type LockedSocket,
} from 'k4net';
import * as binary from 'k4net/binary';
import * as codecs from 'k4net/codec';
import {
  connectNats,
  type ConnectNatsOptions,
  type EncryptedConnectNatsOptions,
  type EncryptedListenNatsOptions,
  listenNats,
  type ListenNatsOptions,
  type NatsConnectionLike,
  type NatsHeartbeatOptions,
  type NatsMessageLike,
  type NatsOptions,
  type NatsServer,
  type NatsSubscribeOptions,
  type NatsSubscriptionLike,
  type PlainConnectNatsOptions,
  type PlainListenNatsOptions,
} from 'k4net/nats';

/** Classes with private fields are compatible only if they are one class. */
export const reader: BinaryReader = new binary.BinaryReader(new binary.BinaryWriter().data);
const options = { messageName: undefined, offset: 0, path: '' };
export const error: DecodeError = new codecs.DecodeError('payload', 'why', options);

const point = codecs.struct({ x: codec.int32, y: codecs.optional(codec.int32) });
export const same: Codec<codecs.StructInput<typeof point.fields>, codecs.Output<typeof point>> = point;

export async function overNats(nc: NatsConnectionLike): Promise<void> {
  const heartbeat: NatsHeartbeatOptions = { interval: 1, timeout: 2 };
  const shared: NatsOptions = { inboxPrefix: '_INBOX', heartbeat, window: 8192 };
  const listening: EncryptedListenNatsOptions = { ...shared, ephemeralKey: true, maxSessions: 1 };
  const server: NatsServer<EncryptedSocket> = await listenNats(nc, 'name', listening);
  const connecting: EncryptedConnectNatsOptions = { ...shared, pin: server.fingerprint, instance: server.id };
  const socket: EncryptedSocket = await connectNats(nc, 'name', connecting);
  const plain: PlainListenNatsOptions = { plain: true, version: '1.0.0', metadata: { zone: 'a' } };
  const either: ListenNatsOptions = plain;
  const plainClient: PlainConnectNatsOptions = { plain: true, timeout: 1, retry: false };
  const eitherClient: ConnectNatsOptions = plainClient;
  const other: LockedSocket = await connectNats(nc, 'name', eitherClient);
  await Promise.all([(await listenNats(nc, 'name', either)).close(), socket.close(), other.close()]);
}

/** A connection of another package needs only these. */
export function subscribed(nc: NatsConnectionLike): NatsSubscriptionLike {
  const callback = (_error: Error | null, { subject }: NatsMessageLike): string => subject;
  const options: NatsSubscribeOptions = { queue: 'a', callback };
  return nc.subscribe('a', options);
}
