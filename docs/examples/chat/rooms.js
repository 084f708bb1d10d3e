// The rooms of the chat and their rules. It talks to pages over sockets, and does no other I/O.
import { Group } from 'k4net';
import { Client } from './client.js';
import { limits, messages, personName, refuse, roomName } from './messages.js';

// A client that does not read delays nobody: it is dropped.
const orClose = { slow: 'close' };
const sizeOf = ({ name, members }) => ({ name, members: members.size });

/** The rooms and their rules. */
export class Chat {
  #rooms = new Map();
  #all = new Group(messages);
  #changed = new Set();
  #lastId = 0;

  /** Talks to one page until the connection ends. */
  async talk(sock, { signal }) {
    this.#lastId += 1;
    const client = new Client(this.#lastId, sock);
    const { queue, remote } = client;
    this.#all.add(remote);
    remote.registerCallback('enter', (wish) => this.#enter(client, wish));
    remote.registerCallback('say', (message) => this.#say(client, message));
    remote.registerCallback('typing', () => this.#typing(client));
    queue.start();
    // A page sends nothing without a name.
    const drop = () => client.drop();
    queue.recv().then(drop, drop);
    signal.addEventListener('abort', () => void queue.close());
    await queue.closed;
    this.#leave(client);
  }

  #enter(client, wish) {
    client.spend(2);
    const [name, to] = [personName(wish.name), roomName(wish.room)];
    if (name === '' || name.length > limits.name) throw refuse('BAD_NAME');
    if (to === '' || to.length > limits.roomName || wish.page.length > limits.id) throw refuse('BAD_ROOM');
    const room = this.#rooms.get(to) ?? this.#open(to);
    // A page that connects again replaces its old connection, which may not have ended yet.
    for (const other of room.members) {
      if (other === client || other.key !== client.key || other.page !== wish.page) continue;
      other.drop();
      this.#leave(other);
    }
    if (room.members.size >= limits.members && client.room !== room) throw refuse('ROOM_FULL');
    this.#leave(client);
    Object.assign(client, { name, page: wish.page, room });
    void room.group.send('joined', client.listed, orClose);
    room.members.add(client);
    room.group.add(client.remote);
    for (const entry of room.history) void this.#deliver(room, entry, client);
    this.#tellSize(room);
    return {
      you: client.id,
      members: [...room.members].map((each) => each.listed),
      rooms: [...this.#rooms.values()].map(sizeOf),
    };
  }

  #open(name) {
    if (this.#rooms.size >= limits.rooms) {
      const empty = [...this.#rooms.values()].find((room) => room.members.size === 0);
      if (!empty) throw refuse('NO_ROOM');
      this.#rooms.delete(empty.name);
    }
    const room = { name, members: new Set(), group: new Group(messages), history: [], size: 0 };
    this.#rooms.set(name, room);
    return room;
  }

  #leave(client) {
    const { room } = client;
    client.room = undefined;
    if (!room?.members.delete(client)) return;
    room.group.delete(client.remote);
    void room.group.send('left', client.id, orClose);
    for (const entry of room.history) this.#checkReceived(room, entry);
    this.#tellSize(room);
  }

  /** Tells all clients how many are in a room, a few times a second at most. */
  #tellSize(room) {
    const isWaiting = this.#changed.size > 0;
    this.#changed.add(room);
    if (isWaiting) return;
    setTimeout(() => {
      const rooms = [...this.#changed].map(sizeOf);
      this.#changed.clear();
      void this.#all.send('rooms', rooms, orClose);
    }, 200);
  }

  #say(client, { id, text }) {
    client.spend(1);
    const { room, key } = client;
    if (!room) throw refuse('NOT_IN');
    // The page sends a message again if the connection ended before the answer came.
    const known = room.history.find((entry) => entry.id === id && entry.key === key);
    if (known) return { at: known.at };
    if (text.trim() === '' || text.length > limits.text || id.length > limits.id) throw refuse('TOO_LONG');

    const entry = { id, key, name: client.name, text, at: Date.now(), all: false, readers: new Set() };
    room.history.push(entry);
    room.size += text.length;
    while (room.history.length > limits.history || room.size > limits.historySize)
      room.size -= room.history.shift().text.length;
    for (const member of room.members) if (member !== client) void this.#deliver(room, entry, member);
    return { at: entry.at };
  }

  async #deliver(room, entry, member) {
    if (!(await member.deliver(room.name, entry))) return;
    entry.readers.add(member.key);
    this.#checkReceived(room, entry);
  }

  /** Tells the author when all others that are in the room now have confirmed the message. */
  #checkReceived({ members }, entry) {
    const others = [...members].filter(({ key }) => key !== entry.key);
    if (entry.all || others.length === 0 || !others.every(({ key }) => entry.readers.has(key))) return;
    entry.all = true;
    for (const author of members) if (author.key === entry.key) author.post('received', entry.id);
  }

  #typing(client) {
    client.spend(0.2);
    void client.room?.group.send('types', client.id, { except: client.remote, slow: 'drop' });
  }
}
