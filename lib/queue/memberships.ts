import type { OwnedSocket } from '../sockets/acquire.js';
import type { ErrorHooks } from './error-hooks.js';
import type { QueueSocketLike } from './types.js';

/** The property of a queue socket through which groups send. */
export const recipient: unique symbol = Symbol('recipient');

/** The parts of a queue socket that a group uses. */
export interface Recipient {
  readonly owned: OwnedSocket;
  readonly hooks: Pick<ErrorHooks, 'log'>;
  readonly memberships: Memberships;
}

/** The members of one group, by their queue sockets. */
type Members = Pick<Map<QueueSocketLike, unknown>, 'delete'>;

/**
 * The groups that a queue socket is a member of. It leaves all of them when it begins to close. The
 * references are weak, so that a group without other references is collected.
 */
export class Memberships {
  readonly #owner: QueueSocketLike;
  /** Created on first use: most sockets are in no group. */
  #groups: Set<WeakRef<Members>> | undefined;
  /** The number of references above which those to collected groups are removed. */
  #limit = 8;
  #ended = false;

  constructor(owner: QueueSocketLike) {
    this.#owner = owner;
  }

  /** Returns false if the socket closes: then it joins no group. */
  add(group: WeakRef<Members>): boolean {
    if (this.#ended || !canSend(this.#owner)) return false;
    this.#groups ??= new Set();
    this.#groups.add(group);
    if (this.#groups.size > this.#limit) {
      for (const each of this.#groups) if (!each.deref()) this.#groups.delete(each);
      // Twice the number of the groups that are left, so that the search costs little for each.
      this.#limit = 2 * this.#groups.size + 8;
    }
    return true;
  }

  delete(group: WeakRef<Members>): void {
    this.#groups?.delete(group);
  }

  /** Ends all memberships once the socket below closes or has failed. */
  check(): void {
    if (!canSend(this.#owner)) this.end();
  }

  /** The socket begins to close. */
  end(): void {
    this.#ended = true;
    for (const group of this.#groups ?? []) group.deref()?.delete(this.#owner);
    this.#groups = undefined;
  }
}

function canSend({ readyState }: QueueSocketLike): boolean {
  return readyState !== 'closing' && readyState !== 'closed';
}
