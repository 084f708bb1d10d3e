// One of the two processes of a measurement: plays a part on command. See `Peer` in pair.js for the other end.
import { kinds } from './kinds/index.js';
import { memoryInUse } from './memory.js';
import { Tally } from './tally.js';
import { Watch } from './watch.js';

let contestant;
let accept;
let open = [];

const commands = {
  async load({ file }) {
    contestant = await import(file);
  },

  listen: () =>
    contestant.listen((connection) => {
      open.push(connection);
      accept(connection);
    }),

  /** The side that is connected to: says when it is ready for that. Its figures end when it has everything. */
  async serve({ kind, ...task }) {
    const tally = new Tally();
    const watch = new Watch();
    let accepted = 0;
    let missing = kinds[kind].expected(task).connections;
    const served = new Promise((resolve, reject) => {
      // At once, not a tick later: a connection may bring its first message with it.
      accept = async (connection) => {
        const isFirst = accepted === 0;
        accepted += 1;
        try {
          await kinds[kind].serve(contestant, connection, { ...task, isFirst }, tally, watch);
          missing -= 1;
          if (missing === 0) resolve();
        } catch (error) {
          reject(error);
        }
      };
    });
    process.send({ result: 'ready' });
    await served;
    return { ...tally.result, ...watch.result };
  },

  /** The side that connects and measures the time. */
  async drive({ kind, ...task }) {
    const tally = new Tally();
    const watch = new Watch();
    open.push(...(await kinds[kind].drive(contestant, task, tally, watch)));
    return { ...tally.result, ...watch.result };
  },

  memory: memoryInUse,

  /** After both sides have what they wait for. */
  async close() {
    await Promise.all(open.map((connection) => contestant.close(connection)));
    open = [];
  },
};

process.on('message', (command) => void run(command));
process.on('disconnect', () => process.exit());

async function run({ name, argument }) {
  try {
    process.send({ result: await commands[name](argument) });
  } catch (error) {
    process.send({ error: String(error?.message ?? error), stack: error?.stack });
  }
}
