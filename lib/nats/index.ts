export {
  connectNats,
  type ConnectNatsOptions,
  type EncryptedConnectNatsOptions,
  type PlainConnectNatsOptions,
} from './connect-nats.js';
export {
  listenNats,
  NatsServer,
  type EncryptedListenNatsOptions,
  type ListenNatsOptions,
  type PlainListenNatsOptions,
} from './listen-nats.js';
export type { NatsHeartbeatOptions, NatsOptions } from './hub-settings.js';
export type {
  NatsConnectionLike,
  NatsMessageLike,
  NatsSubscribeOptions,
  NatsSubscriptionLike,
} from './nats-connection.js';
