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
export { NatsService } from './nats-service.js';
export type { TypedNatsService } from './typed-nats-service.js';
export type {
  EncryptedNatsServiceOptions,
  InstanceAnswer,
  InstanceSent,
  InstancesOptions,
  NatsServiceLimits,
  NatsServiceOptions,
  PlainNatsServiceOptions,
  ServiceCallOptions,
} from './service-options.js';
export type { EncryptedNatsDialingOptions, PlainNatsDialingOptions } from './nats-dialer.js';
export type { ServiceInstance } from './ping.js';
export type { NatsHeartbeatOptions, NatsOptions } from './hub-settings.js';
export type {
  NatsConnectionLike,
  NatsMessageLike,
  NatsSubscribeOptions,
  NatsSubscriptionLike,
} from './nats-connection.js';
