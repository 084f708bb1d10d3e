// The page: the same client as in Node, over the WebSocket of NATS.
import { wsconnect } from '@nats-io/nats-core';
import { NatsService } from 'k4net/nats';
import { messages, service } from './messages.js';
import { Traffic } from './traffic.js';

const byId = (id) => document.getElementById(id);

const { servers, pin } = await (await fetch('/service.json')).json();
const nc = await wsconnect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 250 });
const factors = new NatsService(nc, service, { pin, sessions: 8 });
const typed = factors.typed(messages);

byId('ask').addEventListener('submit', async (event) => {
  event.preventDefault();
  const number = byId('number').valueAsNumber;
  try {
    const answer = await typed.call('factors', number, { repeatable: true, timeout: 30_000 });
    byId('answer').textContent =
      `${number} = ${answer.factors.join(' × ') || 1}, says instance ${answer.instance}`;
  } catch (error) {
    byId('answer').textContent = error.message;
  }
});

let traffic;
/** Answers to this page, by instance. */
const answers = new Map();

byId('run').addEventListener('click', () => {
  byId('run').textContent = traffic ? 'Call all the time' : 'Stop';
  if (traffic) {
    void traffic.stop();
    traffic = undefined;
    return;
  }
  traffic = new Traffic(typed);
  traffic.onFailure = (error) => {
    byId('status').textContent = error.message;
  };
  traffic.start();
});

byId('crash').addEventListener('click', async () => {
  byId('status').textContent = 'An instance crashes. Calls under way there go to another one in 4 seconds.';
  try {
    await typed.call('crash', undefined, { timeout: 30_000 });
  } catch (error) {
    byId('status').textContent = `The call that crashed it: ${error.message}`;
  }
});

/** The last state that each instance has told, by its label. */
let loads = new Map();

async function askAll() {
  const told = new Map();
  for await (const { answer } of typed.callAll('load', undefined, { timeout: 2000 }))
    if (answer) told.set(answer.instance, answer.calls);
  loads = told;
}

function show() {
  for (const [label, count] of traffic?.take() ?? []) answers.set(label, (answers.get(label) ?? 0) + count);
  if (traffic) {
    byId('answered').textContent = traffic.answered;
    byId('lost').textContent = traffic.failed;
    byId('longest').textContent = `${Math.round(traffic.longest)} ms`;
  }
  const rows = [...loads].sort().map(([label, calls]) => {
    const [row, dot, name, load] = ['li', 'i', 'span', 'small'].map((tag) => document.createElement(tag));
    dot.style.color = `hsl(${(label.charCodeAt(0) * 137.5) % 360} 75% 50%)`;
    name.textContent = `Instance ${label}`;
    load.textContent = `${answers.get(label) ?? 0} answers here, ${calls} in all`;
    row.append(dot, name, load);
    return row;
  });
  byId('instances').replaceChildren(...rows);
}

byId('ask').requestSubmit();
for (;;) {
  // Its errors are news of another second.
  await askAll().catch(() => undefined);
  show();
  await new Promise((resolve) => setTimeout(resolve, 500));
}
