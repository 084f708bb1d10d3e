import { compile, type CompiledMessages, type Messages } from '../codec/messages.js';
import { encodeValue } from '../codec/payload.js';
import { kindOf, type Bytes } from '../util/bytes.js';
import { checkMessageLength } from '../transport/framing/encoder.js';
import { checkOptions, choiceRule, type OptionTable, uncheckedRule } from '../util/options.js';
import { rejectUnhandled } from '../util/wait.js';
import type { Payload } from './call-types.js';
import { checkName, encodeRegistered, payloadBytes } from './envelope.js';
import { FanOut, GroupMessage, type GroupEntry, type SlowMember } from './fan-out.js';
import { recipient, type Recipient } from './memberships.js';
import { messageRoute } from './typed-callbacks.js';
import type { Arguments, MessageName } from './typed-types.js';
import type { QueueSocketLike, TypedQueue } from './types.js';

/** A member of a {@link Group}: a typed queue if the group has messages, or a queue socket. */
export type GroupMember<M extends Messages | undefined = undefined> = M extends Messages
  ? TypedQueue<M>
  : QueueSocketLike;

/** Options of {@link Group.send}. */
export interface GroupSendOptions<Member = QueueSocketLike> {
  /** Members that do not get the message: one, or any iterable such as another group. */
  readonly except?: Member | Iterable<Member> | undefined;
  /**
   * Decides about a member whose send queue is at its `highWaterMark`:
   *
   * - `'wait'` (default): the message waits for room, and so does the promise of `send`. Other
   *   members get the message at once. A member that never reads stops a sender that awaits.
   * - `'drop'`: this member does not get the message.
   * - `'close'`: the connection of this member is aborted, without the messages that wait. Its
   *   `closed` has the code `K4NET_ABORTED`, and an error `K4NET_BUSY` as the cause.
   */
  readonly slow?: SlowMember | undefined;
}

type AnyOptions = GroupSendOptions<unknown>;

const sendTable: OptionTable<AnyOptions, 'except'> = {
  except: uncheckedRule<unknown>(),
  slow: choiceRule<SlowMember>(['wait', 'drop', 'close']),
};

/** The names of the messages of a group; any name without messages. */
type GroupMessageName<M extends Messages | undefined> = M extends Messages ? MessageName<M> : string;

type GroupArguments<M extends Messages | undefined, N> = M extends Messages
  ? N extends keyof M
    ? Arguments<M[N], GroupSendOptions<GroupMember<M>>>
    : never
  : [payload?: Payload, options?: GroupSendOptions];

/**
 * Queue sockets that get the same messages. A message is encoded once for all members.
 *
 * A member leaves by itself when its socket begins to close. A group needs no end of its own: its
 * members do not refer to it.
 *
 * @example
 * ```ts
 * import { Group, LockedSocket, memoryPair, QueueSocket } from 'k4net';
 *
 * const group = new Group();
 * for (const name of ['Ada', 'Ben']) {
 *   const [near, far] = memoryPair().map((end) => new QueueSocket(new LockedSocket(end)));
 *   far.registerCallback('said', (reader) => console.log(name, reader.readString()));
 *   far.start();
 *   near.start();
 *   group.add(near);
 * }
 * console.log(await group.send('said', (writer) => writer.writeString('hello')));
 * for (const member of group) await member.close();
 * ```
 */
export class Group<M extends Messages | undefined = undefined> {
  readonly #routes: CompiledMessages | undefined;
  readonly #entries = new Map<QueueSocketLike, GroupEntry<GroupMember<M>>>();
  readonly #reference = new WeakRef(this.#entries);
  readonly #fanOut = new FanOut(this.#entries);
  #added = 0;

  /**
   * @param messages - makes a group of typed queues. Without it, the members are queue sockets.
   * @throws TypeError for a name whose value is neither a codec, nor a schema, nor a request.
   */
  constructor(messages?: M) {
    this.#routes = messages && compile(messages);
  }

  /** The number of members. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Adds a member, unless its socket closes or is a member already. It gets the messages that are
   * sent from now on.
   *
   * @throws TypeError for anything but a queue of the kind of this group.
   */
  add(member: GroupMember<M>): this {
    const socket = this.#socketOf(member);
    const found = socket[recipient];
    if (this.#entries.has(socket) || !found.memberships.add(this.#reference)) return this;
    this.#entries.set(socket, { member, recipient: found, index: this.#added });
    this.#added += 1;
    return this;
  }

  /** Removes a member, and returns whether it was one. It gets no further message of the group. */
  delete(member: GroupMember<M>): boolean {
    const socket = this.#socketOf(member);
    socket[recipient].memberships.delete(this.#reference);
    return this.#entries.delete(socket);
  }

  /** Whether this queue is a member. */
  has(member: GroupMember<M>): boolean {
    return this.#entries.has(this.#socketOf(member));
  }

  /**
   * Sends a message to all members, and resolves with the number of members that it was sent to.
   * The caller may reuse bytes at once. Each member gets the messages in the order of the calls.
   *
   * With `slow: 'wait'` (default) it resolves when the send queue of each of them is below its
   * `highWaterMark` or the member has left. If the sender does not await it, all messages to slow
   * members stay in memory. With `'drop'` and `'close'` it does not wait for members.
   *
   * A group of more than 1024 members gets the message over several turns of the event loop.
   *
   * Rejects only for errors of the program, and then sends nothing: a TypeError or RangeError for
   * wrong arguments, and the error of a payload constructor. A member that fails leaves the group.
   */
  send<N extends GroupMessageName<M>>(name: N, ...rest: GroupArguments<M, N>): Promise<number>;
  send(name: string, value?: unknown, options?: AnyOptions): Promise<number> {
    try {
      const { except, slow } = checkOptions('Group.send', options, sendTable);
      const left = except === undefined ? undefined : this.#socketsOf(except);
      const message = encodeRegistered(checkName(name), this.#encode(name, value));
      checkMessageLength(message.length);
      return this.#fanOut.send(new GroupMessage(name, message, slow, left, this.#added));
    } catch (error) {
      return rejectUnhandled(error);
    }
  }

  /** The members, in the order in which they were added. They may leave during the loop. */
  *[Symbol.iterator](): IterableIterator<GroupMember<M>> {
    for (const { member } of this.#entries.values()) yield member;
  }

  #encode(name: string, value: unknown): Bytes {
    if (!this.#routes) return payloadBytes(value as Payload | undefined);
    return encodeValue(messageRoute(this.#routes, name).argument, value);
  }

  #socketsOf(except: unknown): ReadonlySet<QueueSocketLike> {
    const isIterable = typeof except === 'object' && except !== null && Symbol.iterator in except;
    const list = isIterable ? (except as Iterable<unknown>) : [except];
    return new Set(Array.from(list, (member) => this.#socketOf(member)));
  }

  #socketOf(member: unknown): QueueSocketLike & HasRecipient {
    const socket = this.#routes ? (member as { readonly socket?: unknown } | undefined)?.socket : member;
    if (isRecipient(socket)) return socket;
    const kind = this.#routes ? 'TypedQueue' : 'QueueSocket';
    throw new TypeError(`a member of this group must be a ${kind}, not ${kindOf(member)}`);
  }
}

interface HasRecipient {
  readonly [recipient]: Recipient;
}

function isRecipient(socket: unknown): socket is QueueSocketLike & HasRecipient {
  return typeof socket === 'object' && socket !== null && recipient in socket;
}
