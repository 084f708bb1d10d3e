// Uses every export of 'k4net/nats'. Type-checked against the packed package, with neither Node's
// types nor the DOM's. It is never run.
import {
  codec,
  type AnswerOf,
  type Arguments,
  type Bytes,
  type EncryptedSocket,
  type ItemOf,
  type LockedSocket,
} from 'k4net';
import {
  connectNats,
  listenNats,
  NatsServer,
  NatsService,
  type ConnectNatsOptions,
  type EncryptedConnectNatsOptions,
  type EncryptedListenNatsOptions,
  type EncryptedNatsDialingOptions,
  type EncryptedNatsServiceOptions,
  type InstanceAnswer,
  type InstanceSent,
  type InstancesOptions,
  type ListenNatsOptions,
  type NatsConnectionLike,
  type NatsHeartbeatOptions,
  type NatsMessageLike,
  type NatsOptions,
  type NatsServiceLimits,
  type NatsServiceOptions,
  type NatsSubscribeOptions,
  type NatsSubscriptionLike,
  type PlainConnectNatsOptions,
  type PlainListenNatsOptions,
  type PlainNatsDialingOptions,
  type PlainNatsServiceOptions,
  type ServiceCallOptions,
  type ServiceInstance,
  type TypedNatsService,
} from 'k4net/nats';

// The program has neither the types of Node nor those of the DOM.
declare const console: { log(...values: unknown[]): void };

class Subscription implements NatsSubscriptionLike {
  unsubscribe(): void {
    // Nothing to do.
  }
  drain(): Promise<void> {
    return Promise.resolve();
  }
}

export class Connection implements NatsConnectionLike {
  readonly info = { max_payload: 1024 };
  publish(subject: string, payload?: Uint8Array, options?: { reply?: string }): void {
    const message: NatsMessageLike = { subject, data: payload ?? new Uint8Array(), ...options };
    console.log(message);
  }
  subscribe(subject: string, options?: NatsSubscribeOptions): NatsSubscriptionLike {
    console.log(subject, options?.queue);
    return new Subscription();
  }
  async *status(): AsyncGenerator<{ type: string }> {
    yield { type: await Promise.resolve('reconnect') };
  }
  closed(): Promise<void> {
    return Promise.resolve();
  }
  isClosed(): boolean {
    return false;
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
}

const heartbeat: NatsHeartbeatOptions = { interval: 1_000, timeout: 3_000 };
const shared: NatsOptions = { inboxPrefix: '_INBOX', heartbeat, window: 65_536 };

const encryptedListen: EncryptedListenNatsOptions = { ...shared, ephemeralKey: true, version: '1.0.0' };
const plainListen: PlainListenNatsOptions = { plain: true, metadata: { zone: 'a' }, maxSessions: 10 };
const eitherListen: ListenNatsOptions = plainListen;

const encryptedDialing: EncryptedNatsDialingOptions = { ...shared, pin: 'sha256:', direct: true };
const plainDialing: PlainNatsDialingOptions = { plain: true };
const encryptedConnect: EncryptedConnectNatsOptions = { ...encryptedDialing, instance: 'id' };
const plainConnect: PlainConnectNatsOptions = { ...plainDialing, instance: 'id' };
const eitherConnect: ConnectNatsOptions = plainConnect;

const limits: NatsServiceLimits = { sessions: 2, maxInstances: 10, maxWaiting: 10, callTimeout: 1_000 };
const encryptedService: EncryptedNatsServiceOptions = { ...limits, pin: 'sha256:', retry: false };
const plainService: PlainNatsServiceOptions = { ...limits, plain: true };
const eitherService: NatsServiceOptions = plainService;

export async function sockets(nc: NatsConnectionLike): Promise<LockedSocket[]> {
  const server: NatsServer<EncryptedSocket> = await listenNats(nc, 'orders', encryptedListen);
  const plain: NatsServer = await listenNats(nc, 'orders', eitherListen);
  if (plain instanceof NatsServer) console.log(plain.id, server.id);
  const socket: EncryptedSocket = await connectNats(nc, 'orders', encryptedConnect);
  return [socket, await connectNats(nc, 'orders', eitherConnect)];
}

const messages = {
  add: codec.request(codec.int32, codec.int32),
  list: codec.stream(codec.nothing, codec.string),
  note: codec.string,
};

export async function service(nc: NatsConnectionLike): Promise<void> {
  const orders = new NatsService(nc, 'orders', encryptedService);
  const options: ServiceCallOptions = { timeout: 1_000, repeatable: true, body: ['item'] };
  console.log((await orders.call('add', 'payload', options)).readInt32());
  for await (const item of orders.stream('list')) console.log(item.read());
  for await (const each of orders.callAll('add')) report(each);
  const sent: InstanceSent[] = await orders.sendAll('note', 'text', { timeout: 1_000 });
  console.log(sent.map(({ instance, error }) => error ?? instance));
  const wait: InstancesOptions = { timeout: 100 };
  const instances: ServiceInstance[] = await orders.instances(wait);
  console.log(instances.map(({ id, version, metadata }) => [id, version, metadata['zone']]));
  const api: TypedNatsService<typeof messages> = orders.typed(messages);
  const sum: number = await api.call('add', 1, { repeatable: true });
  for await (const item of api.stream('list')) console.log(item.length, sum);
  for await (const { instance, answer, error } of api.callAll('add', 1)) {
    console.log(instance, error ? error.message : answer + 1);
  }
  await api.sendAll('note', 'text');
  await orders.close({ timeout: 1_000 });
  await using plain = new NatsService(nc, 'orders', eitherService);
  await plain.call('add');
}

/** The arguments and results of a view whose methods differ. */
export interface View<M extends typeof messages> {
  add(...args: Arguments<M['add'], ServiceCallOptions>): Promise<AnswerOf<M['add']>>;
  list(): AsyncIterable<ItemOf<M['list']>>;
  raw(): Bytes;
}

function report({ instance, answer, error }: InstanceAnswer): void {
  console.log(instance, error ? error.message : answer.readInt32());
}
