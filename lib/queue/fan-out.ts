import { K4netError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import { accepted } from '../sockets/outbox.js';
import type { Bytes } from '../util/bytes.js';
import { Deferred } from '../util/wait.js';
import type { Recipient } from './memberships.js';
import type { QueueSocketLike } from './types.js';

/** The treatment of a member whose send queue is full. */
export type SlowMember = 'wait' | 'drop' | 'close';

/** A member of a group. */
export interface GroupEntry<Member> {
  readonly member: Member;
  readonly recipient: Recipient;
  /** The number of additions to the group before this one. */
  readonly index: number;
}

type Entries = ReadonlyMap<QueueSocketLike, GroupEntry<unknown>>;

/**
 * Members that get messages in one turn of the event loop. Each costs a system call, so they take
 * about 10 ms.
 */
const membersPerTurn = 1024;

/** One message to the members of a group, encoded. */
export class GroupMessage {
  readonly #name: string;
  readonly #message: Bytes;
  readonly #slow: SlowMember;
  readonly #except: ReadonlySet<QueueSocketLike> | undefined;
  readonly #end: number;
  readonly #result = new Deferred<number>();
  #sent = 0;
  /** Members that `result` waits for, plus 1 until `end`. */
  #pending = 1;
  /** Whether a send queue became full. */
  #full = false;

  /**
   * @param message - must not change: the sockets use it until it is written.
   * @param end - the message goes to entries with a lower index.
   */
  constructor(
    name: string,
    message: Bytes,
    slow: SlowMember,
    except: ReadonlySet<QueueSocketLike> | undefined,
    end: number,
  ) {
    this.#name = name;
    this.#message = message;
    this.#slow = slow;
    this.#except = except;
    this.#end = end;
  }

  /** Resolves with the number of members that the message was sent to. */
  get result(): Promise<number> {
    return this.#result.promise;
  }

  /** Sends the message to one member, which must not have begun to close. */
  sendTo(socket: QueueSocketLike, { recipient, index }: GroupEntry<unknown>): void {
    if (index >= this.#end || this.#except?.has(socket)) return;
    const { owned, hooks } = recipient;
    if (this.#slow !== 'wait' && owned.congested) {
      if (this.#slow === 'close') cut(socket);
      return;
    }
    hooks.log?.(`Sending registered ${this.#name}`);
    const sent = owned.send(this.#message);
    this.#sent += 1;
    // The common case, without a promise or a function for each member.
    if (sent === accepted) return;
    this.#full = true;
    if (this.#slow !== 'wait') return;
    this.#pending += 1;
    sent.then(this.#settle, () => {
      this.#sent -= 1;
      this.#settle();
    });
  }

  /** The message went to all members. */
  end(): void {
    // A sender that never waits for members yields, so that full send queues can be written.
    if (this.#full && this.#slow !== 'wait') nextTurn(this.#settle);
    else this.#settle();
  }

  readonly #settle = (): void => {
    this.#pending -= 1;
    if (this.#pending === 0) this.#result.resolve(this.#sent);
  };
}

/**
 * Sends the messages of a group to its members. Each member gets the messages in the order of the
 * calls. A large group takes several turns of the event loop; messages that are sent meanwhile
 * follow together.
 */
export class FanOut {
  readonly #entries: Entries;
  #waiting: GroupMessage[] = [];
  /** The messages that are being sent, and the members that do not have them yet. */
  #current: readonly GroupMessage[] = [];
  #rest: Iterator<readonly [QueueSocketLike, GroupEntry<unknown>], undefined> | undefined;

  constructor(entries: Entries) {
    this.#entries = entries;
  }

  send(message: GroupMessage): Promise<number> {
    this.#waiting.push(message);
    if (!this.#rest) this.#start();
    return message.result;
  }

  #start(): void {
    this.#current = this.#waiting;
    this.#waiting = [];
    this.#rest = this.#entries.entries();
    this.#continue(this.#rest);
  }

  #continue(rest: Iterator<readonly [QueueSocketLike, GroupEntry<unknown>], undefined>): void {
    for (let i = 0; i < membersPerTurn; i += 1) {
      const { value } = rest.next();
      if (value === undefined) {
        this.#finish();
        return;
      }
      for (const message of this.#current) message.sendTo(value[0], value[1]);
    }
    nextTurn(() => {
      this.#continue(rest);
    });
  }

  #finish(): void {
    for (const message of this.#current) message.end();
    this.#current = [];
    if (this.#waiting.length === 0) this.#rest = undefined;
    else
      nextTurn(() => {
        this.#start();
      });
  }
}

/** Closes the connection of a member without a wait for its send queue. */
function cut(socket: QueueSocketLike): void {
  const full = new K4netError(
    'K4NET_BUSY',
    `the peer reads too slowly: ${socket.bufferedAmount} bytes wait to be sent to it (highWaterMark), and a message to its group closes slow members (slow: 'close')`,
  );
  void socket.abort(full, { timeout: 0 });
}
