// The list of messages of one room.
import { icon, make } from './dom.js';
import { patternOf, wordsOf } from './identity.js';

const maxShown = 300;
const marks = {
  waiting: 'Waits for the connection',
  sent: 'Sent',
  server: 'Received by the server',
  all: 'Received by all in the room',
};
const ranks = Object.keys(marks);
const time = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const fullTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
/** A few emoji and nothing else: they are shown large. */
const emojiOnly = /^[\p{Extended_Pictographic}\p{RI}\p{Emoji_Modifier}\u200d\ufe0f]{1,12}$/u;

export class Log {
  /** Messages by key and id: one that comes twice is shown once. */
  #messages = new Map();
  #list;
  #scroller;
  #jump;
  #me;
  #isAtEnd = true;
  #onPerson;

  /**
   * @param me - the fingerprint of the key of this page.
   * @param onPerson - called with `{ name, key }` when the user asks who the author is.
   */
  constructor({ list, scroller, jump, me, onPerson }) {
    this.#list = list;
    this.#scroller = scroller;
    this.#jump = jump;
    this.#me = me;
    this.#onPerson = onPerson;
    jump.onclick = () => this.#toEnd();
    let height = scroller.clientHeight;
    scroller.onscroll = () => {
      // A banner or a keyboard that takes room is no scrolling of the user.
      if (scroller.clientHeight !== height) return;
      const { scrollTop, clientHeight, scrollHeight } = scroller;
      this.#isAtEnd = scrollTop + clientHeight > scrollHeight - 80;
      if (this.#isAtEnd) jump.hidden = true;
    };
    new ResizeObserver(() => {
      height = scroller.clientHeight;
      if (this.#isAtEnd) this.#toEnd();
    }).observe(scroller);
  }

  get isEmpty() {
    return this.#messages.size === 0;
  }

  clear() {
    this.#messages.clear();
    this.#list.replaceChildren();
    this.#toEnd();
  }

  /** Shows a message, or changes one that is shown. Returns whether it is new. */
  show(change) {
    const name = `${change.key} ${change.id}`;
    const known = this.#messages.get(name);
    const message = known ?? { at: Infinity, state: 'waiting', element: make('li') };
    const { at, state } = message;
    Object.assign(message, change);
    // A message that was received once stays received: a server that has restarted knows less.
    if (state !== 'sent' && ranks.indexOf(state) > ranks.indexOf(message.state)) message.state = state;
    if (!known) {
      this.#messages.set(name, message);
      this.#fill(message);
    }
    if (!known || message.at !== at) this.#place(message);
    if (message.key === this.#me) showMark(message);
    if (this.#isAtEnd || (!known && message.state === 'waiting')) this.#toEnd();
    else if (!known) this.#jump.hidden = false;
    return !known;
  }

  /** Changes a message of this page if it is shown. */
  update(id, change) {
    if (this.#messages.has(`${this.#me} ${id}`)) this.show({ key: this.#me, id, ...change });
  }

  /** Adds a line that is no message. */
  note(text) {
    const element = make('li', { className: 'note' }, make('bdi', {}, text));
    element.dataset.at = this.#list.lastElementChild?.dataset.at ?? '0';
    this.#list.append(element);
    this.#trim();
    if (this.#isAtEnd) this.#toEnd();
  }

  #toEnd() {
    this.#isAtEnd = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#jump.hidden = true;
  }

  #fill({ element, key, name, text }) {
    const isOwn = key === this.#me;
    element.className = isOwn ? 'message own' : 'message';
    element.dataset.key = key;
    if (!isOwn) {
      const face = make('button', { type: 'button', className: 'face' }, patternOf(key));
      face.ariaLabel = `Who is ${name}? Key: ${wordsOf(key).join(' ')}`;
      face.onclick = () => this.#onPerson({ name, key });
      element.append(face);
    }
    element.append(
      make('p', { className: 'meta' }, make('bdi', {}, isOwn ? 'You' : name), make('time')),
      make('p', { className: emojiOnly.test(text) ? 'text emoji' : 'text', dir: 'auto' }, text),
    );
    if (isOwn) element.append(make('p', { className: 'mark' }));
  }

  /** Puts a message behind the last one that is not newer. Unsent messages have no time yet. */
  #place({ element, at }) {
    if (Number.isFinite(at)) {
      const stamp = element.querySelector('time');
      Object.assign(stamp, { textContent: time.format(at), title: fullTime.format(at) });
      stamp.dateTime = new Date(at).toISOString();
    }
    element.dataset.at = String(at);
    let before = this.#list.lastElementChild;
    while (before && (before === element || Number(before.dataset.at) > at))
      before = before.previousElementSibling;
    // A screen reader reads an element again that moves, so move it only if it has to.
    if (before ? before.nextElementSibling !== element : this.#list.firstElementChild !== element) {
      if (before) before.after(element);
      else this.#list.prepend(element);
    }
    this.#trim();
    for (const each of [element, element.nextElementSibling])
      each?.classList.toggle('follows', isSequel(each, each.previousElementSibling ?? undefined));
  }

  #trim() {
    while (this.#list.children.length > maxShown) {
      const oldest = this.#list.firstElementChild;
      oldest.remove();
      for (const [name, { element }] of this.#messages)
        if (element === oldest) {
          this.#messages.delete(name);
          break;
        }
    }
  }
}

/** Whether a message comes shortly after another of the same author: then it needs no name. */
function isSequel({ dataset: now }, { dataset: before } = { dataset: {} }) {
  const gap = Number(now.at) - Number(before.at);
  return now.key !== undefined && now.key === before.key && (!(gap > 300_000) || gap === Infinity);
}

function showMark({ element, state }) {
  const mark = element.querySelector('.mark');
  if (mark.title === marks[state]) return;
  Object.assign(mark, { className: `mark ${state}`, title: marks[state] });
  mark.replaceChildren(icon(`mark-${state}`), make('span', {}, marks[state]));
}
