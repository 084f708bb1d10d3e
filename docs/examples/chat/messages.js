// The messages between the page and the server, and the limits that both of them check.
//
// Both import this file, so both know the same types. The page finds 'k4net' by the import map in
// index.html.
import { codec } from 'k4net';

const { array, bool, float64, nothing, request, string, struct, uint16, uint32 } = codec;

const member = struct({ id: uint32, name: string, key: string, page: string });
const room = struct({ name: string, members: uint16 });

/**
 * A message of the chat. `key` (the fingerprint of its author) and `id` (chosen by the page of the
 * author) name it, so a message that comes twice is recognized. `all`: every other member that is
 * in the room has confirmed it.
 */
const entry = struct({ id: string, key: string, name: string, text: string, at: float64, all: bool });

export const messages = {
  // From the page to the server.
  enter: request(
    struct({ room: string, name: string, page: string }),
    struct({ you: uint32, members: array(member), rooms: array(room) }),
  ),
  say: request(struct({ id: string, text: string }), struct({ at: float64 })),
  typing: nothing,

  // From the server to the page. The answer to `said` is the receipt. `received` has the id of a
  // message of this page.
  said: request(struct({ room: string, entry }), nothing),
  received: string,
  types: uint32,
  joined: member,
  left: uint32,
  rooms: array(room),
};

export const limits = {
  /** Characters. */
  name: 24,
  roomName: 24,
  text: 4000,
  id: 36,
  /** Clients of the server, rooms, and members of one room. */
  clients: 500,
  rooms: 100,
  members: 50,
  /** Messages and characters that the server keeps for each room. */
  history: 100,
  historySize: 40_000,
  /** Each client may send `burst` messages at once, and `perSecond` after that. */
  burst: 10,
  perSecond: 2,
  /** Refusals of one connection after which the server drops it. */
  refusals: 100,
  /** Characters and bytes that wait for a client. A client that reads less is dropped. */
  unread: 400_000,
  /** Bytes of one message. */
  fromPage: 16_384,
  fromServer: 262_144,
};

/** Codes of the errors that `enter` and `say` answer with. */
export const refusals = {
  TOO_FAST: 'too many messages, wait a moment',
  TOO_LONG: `a message has 1 to ${limits.text} characters`,
  BAD_NAME: `a name has 1 to ${limits.name} characters`,
  BAD_ROOM: `a room has a name of 1 to ${limits.roomName} letters, digits and dashes`,
  ROOM_FULL: `a room has at most ${limits.members} members`,
  NO_ROOM: 'the server has no place for one more room',
  NOT_IN: 'enter a room first',
};

/** The error of a refusal. Its message and its code go to the page. */
export const refuse = (code) => Object.assign(new Error(refusals[code]), { code });

/** The name of a room as all sides write it, or an empty string. */
export const roomName = (text) =>
  text
    .normalize('NFC')
    .toLowerCase()
    .trim()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '');

/** A name of a person without characters that are invisible or turn the text around it. */
export const personName = (text) =>
  text
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, '')
    .replace(/\s+/gu, ' ')
    .trim();
