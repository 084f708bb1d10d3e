// The view of the chat: shows what the connection reports, and gives it what the user does.
import { importKeyPair, indexedDbKnownHosts } from 'k4net';
import { Connection, ownKey } from './connection.js';
import { $, make } from './dom.js';
import { patternOf, wordsOf } from './identity.js';
import { showOwn, showPerson, showServer, showWarning } from './keys.js';
import { setSide } from './layout.js';
import { Log } from './log.js';
import { limits, personName, roomName } from './messages.js';

if (!isSecureContext) {
  $('#status').textContent = 'Not connected';
  $('#banner').hidden = false;
  $('#banner button').hidden = true;
  $('#banner p').textContent = 'Browsers encrypt only in pages that come over https or from this machine.';
  throw new Error('the page has no WebCrypto: it came over http from another machine');
}

// Which key the page accepts: a pin that the page carries, or the key that it saw first. A pin in
// the page is as good as the way that the page took. Over https nobody but the host of the page can
// change it; over http everybody on the way can, as they can change this script. The stored key
// protects each later visit against another server. Neither protects against the host of the page.
const pin = $('meta[name=pin]').content;
const knownHosts = indexedDbKnownHosts('k4net-chat');
const serverName = location.host;

const clientKey = await ownKey();
const me = (await importKeyPair(clientKey)).fingerprint;

/** Messages that the server has not confirmed. They stay in the tab, so a reload keeps them. */
const outbox = JSON.parse(sessionStorage.getItem('outbox') ?? '[]');
for (const message of outbox) message.state = 'waiting';
let name = personName(localStorage.getItem('name') ?? '');
let room = '';
/** The state of the connection, and whether it was lost since it was last online. */
let link = { name: 'connecting' };
let wasLost = false;
let backUntil = 0;
let unread = 0;
const rooms = new Map();
const members = new Map();
/** Pages that were here when the connection was lost: that they are here again is no news. */
const seen = new Set();
/** Until when a member counts as typing. */
const typing = new Map();

const log = new Log({
  list: $('#log'),
  scroller: $('#scroll'),
  jump: $('#jump'),
  me,
  onPerson: showPerson,
});

const on = {
  state(now) {
    link = now;
    if (now.name === 'offline' || now.name === 'untrusted') wasLost = true;
    if (now.name !== 'online') typing.clear();
    if (now.name === 'online') {
      if (wasLost) backUntil = Date.now() + 3000;
      wasLost = false;
      const show = () => showServer(now.peer);
      const button = personButton('Server', now.peer.fingerprint, show);
      if (now.peer.how === 'first-use') button.append(make('em', {}, 'first visit'));
      $('#server').replaceChildren(button);
    }
    if (now.name === 'untrusted') warn();
    renderState();
    renderTyping();
  },
  entered(answer) {
    $('#join').close();
    members.clear();
    rooms.clear();
    on.rooms(answer.rooms);
    for (const member of answer.members) {
      members.set(member.id, member);
      seen.add(member.page);
    }
    renderPeople();
  },
  refused(error) {
    openJoin(error.remoteMessage);
  },
  changed({ id, room: to, text, state }, at = Infinity) {
    sessionStorage.setItem('outbox', JSON.stringify(outbox));
    if (to === room) log.show({ key: me, id, name, text, state, at });
    renderRooms();
    $('#empty').hidden = !log.isEmpty;
  },
  said({ room: to, entry }) {
    if (to !== room || !log.show({ ...entry, state: entry.all ? 'all' : 'server' })) return;
    for (const [id, { key }] of members) if (key === entry.key) typing.delete(id);
    if (document.hidden) unread += 1;
    renderPeople();
  },
  received(id) {
    log.update(id, { state: 'all' });
  },
  types(id) {
    typing.set(id, Date.now() + 4000);
    setTimeout(renderTyping, 4050);
    renderTyping();
  },
  joined(member) {
    members.set(member.id, member);
    if (!seen.has(member.page)) log.note(`${member.name} is here`);
    seen.add(member.page);
    renderPeople();
  },
  left(id) {
    const member = members.get(id);
    if (member) log.note(`${member.name} has left`);
    seen.delete(member?.page);
    members.delete(id);
    typing.delete(id);
    renderPeople();
  },
  rooms(changed) {
    for (const { name: each, members: count } of changed) {
      // Anybody can open rooms, so the list has only those with somebody in them.
      if (count > 0) rooms.set(each, count);
      else rooms.delete(each);
    }
    renderRooms();
  },
};

const connection = new Connection({
  url: '/chat',
  trust: pin ? { pin } : { knownHosts, serverName },
  clientKey,
  outbox,
  on,
});

// ---- Rooms, people, state ----

function go() {
  let wanted = '';
  try {
    wanted = roomName(decodeURIComponent(location.hash.slice(1))).slice(0, limits.roomName);
  } catch {
    // The address has a broken escape: take the lobby.
  }
  wanted ||= 'lobby';
  if (wanted !== room) {
    room = wanted;
    log.clear();
    seen.clear();
    members.clear();
    $('#text').value = sessionStorage.getItem(`draft ${room}`) ?? '';
    fitText();
    for (const message of outbox) on.changed(message);
  }
  setSide(false);
  renderPeople();
  renderRooms();
  if (name) void connection.enter(room, name);
  else openJoin('');
}

/** Replaces the items of a list. The item that has the focus keeps it. */
function fill(list, items) {
  const focused = [...list.children].find((item) => item.contains(document.activeElement))?.dataset.id;
  list.replaceChildren(...items);
  if (focused !== undefined) items.find((item) => item.dataset.id === focused)?.firstElementChild.focus();
}

function listItem(id, child) {
  const item = make('li', {}, child);
  item.dataset.id = id;
  return item;
}

function renderRooms() {
  const names = new Set(['lobby', room, ...rooms.keys(), ...outbox.map((message) => message.room)]);
  const items = [...names].sort().map((each) => {
    const waiting = outbox.filter((message) => message.room === each).length;
    const link = make('a', { href: `#${encodeURIComponent(each)}` }, make('bdi', {}, each));
    if (each === room) link.ariaCurrent = 'page';
    if (waiting) link.append(make('span', { className: 'waiting' }, `${waiting} unsent`));
    else link.append(make('span', { title: 'people here' }, String(rooms.get(each) ?? '')));
    return listItem(each, link);
  });
  fill($('#rooms'), items);
}

function personButton(title, key, onclick) {
  const label = make('span', {}, make('bdi', {}, title), make('small', {}, wordsOf(key).join(' ')));
  return make('button', { type: 'button', className: 'person', onclick }, patternOf(key), label);
}

function renderPeople() {
  const everyone = [...members.values()];
  const items = everyone.map((member) => {
    const button = personButton(member.name, member.key, () =>
      member.key === me ? showOwn(member, () => openJoin('')) : showPerson(member),
    );
    if (member.key === me) button.append(make('em', {}, 'you'));
    return listItem(String(member.id), button);
  });
  fill($('#members'), items);

  $('#room').textContent = room;
  const others = everyone.length - 1;
  $('#count').textContent = others < 0 ? '' : others === 0 ? 'only you' : `you and ${others} more`;
  document.title = unread > 0 ? `(${unread}) ${room}` : `${room} · Chat`;
  $('#empty').hidden = !log.isEmpty;
  $('#address').textContent = `${location.origin}/#${encodeURIComponent(room)}`;
  renderTyping();
}

function renderTyping() {
  const writers = [...typing].filter(([id, until]) => until > Date.now() && members.has(id));
  const names = writers.map(([id]) => make('bdi', {}, members.get(id).name));
  const lines = [
    [],
    [names[0], ' is typing'],
    [names[0], ' and ', names[1], ' are typing'],
    ['Several people are typing'],
  ];
  $('#typing').replaceChildren(...lines[Math.min(names.length, 3)]);
}

const titles = {
  connecting: 'Connecting',
  online: 'Encrypted to the server',
  offline: 'Offline',
  untrusted: 'Not connected',
  failed: 'Not connected',
};

function renderState() {
  const isBack = link.name === 'online' && backUntil > Date.now();
  const text = {
    connecting: wasLost ? 'Connecting again…' : '',
    online: isBack ? 'Connected again.' : '',
    offline: 'No connection. What you write is kept and sent later.',
    untrusted: 'The server has another key than before. Nothing is sent to it.',
    failed: `This page cannot connect: ${link.error?.message}`,
  }[link.name];
  const seconds = Math.max(0, Math.ceil((link.until - Date.now()) / 1000));
  setText('#status', titles[link.name]);
  setText('#banner p', text);
  $('#status').dataset.state = $('#banner').dataset.state = link.name;
  $('#banner').hidden = text === '';
  $('#next').textContent = link.name === 'offline' ? `Next try in ${seconds} s` : '';
  $('#banner button').hidden = link.name !== 'offline' && link.name !== 'untrusted';
  $('#banner button').textContent = link.name === 'offline' ? 'Try now' : 'Compare the keys';
}

/** A screen reader reads a status again when its text is set, also to the same text. */
function setText(selector, text) {
  if ($(selector).textContent !== text) $(selector).textContent = text;
}

setInterval(() => {
  if (link.name === 'offline' || backUntil > Date.now() - 1500) renderState();
}, 500);

// ---- Dialogs ----

function warn() {
  const { error } = link;
  // The page can replace a key that it has stored, and not a pin.
  const trustNew = async () => {
    await knownHosts.replace(serverName, error.actual);
    connection.retry();
  };
  showWarning(error, pin ? undefined : trustNew);
}

function openJoin(problem) {
  const { elements } = $('#join form');
  elements.name.value = name;
  elements.room.value = room;
  $('#join .error').textContent = problem;
  if (!$('#join').open) $('#join').showModal();
}

$('#join').addEventListener('cancel', (event) => {
  if (!name) event.preventDefault();
});
$('#join form').addEventListener('submit', (event) => {
  event.preventDefault();
  const { elements } = event.target;
  name = personName(elements.name.value);
  const wanted = roomName(elements.room.value);
  if (!name) return openJoin('Type a name that can be seen.');
  if (!wanted) return openJoin('The name of a room has letters or digits.');
  localStorage.setItem('name', name);
  $('#join').close();
  if (wanted === room) go();
  else location.hash = encodeURIComponent(wanted);
});

$('#banner button').onclick = () => {
  if (link.name === 'untrusted') warn();
  else connection.retry();
};

// ---- What the user does ----

function fitText() {
  const field = $('#text');
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
  const left = limits.text - field.value.length;
  $('#left').textContent = left < limits.text / 5 ? `${left} characters left` : '';
  sessionStorage.setItem(`draft ${room}`, field.value);
}

$('#text').maxLength = limits.text;
$('#join [name=name]').maxLength = limits.name;
$('#join [name=room]').maxLength = $('#open-room input').maxLength = limits.roomName;
$('#text').addEventListener('input', () => {
  fitText();
  if ($('#text').value) connection.typing();
});
$('#text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('#composer').requestSubmit();
});
$('#composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('#text').value.trim().toWellFormed();
  if (text) connection.say({ id: crypto.randomUUID(), room, text });
  $('#text').value = '';
  fitText();
  $('#text').focus();
});

$('#open-room').addEventListener('submit', (event) => {
  event.preventDefault();
  const wanted = roomName(event.target.elements.room.value).slice(0, limits.roomName);
  event.target.reset();
  if (wanted) location.hash = encodeURIComponent(wanted);
});
$('#copy').onclick = async () => {
  await navigator.clipboard.writeText($('#address').textContent);
  $('#copy').textContent = 'Copied';
};

addEventListener('hashchange', go);
/** The reasons to try now: the network is back, or somebody looks at the page again. */
function retry() {
  if (link.name === 'offline') connection.retry();
}
addEventListener('online', retry);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  unread = 0;
  renderPeople();
  retry();
});

go();
void connection.run();
