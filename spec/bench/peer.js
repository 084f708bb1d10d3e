// One of the two processes of a measurement: plays a part on command. See `Peer` in pair.js for the other end.
import { makeMessage, Tally } from './tally.js';

const contestant = await import(process.argv[2]);
const { roles } = contestant;

/** Who waits for the next connection. */
let onConnection;
let current;

const commands = {
  listen: () => contestant.listen((connection) => onConnection(connection)),

  /** The side that is connected to: says when it is ready for that. Its figures end when it has everything. */
  async serve({ kind, size, count }) {
    const accepted = new Promise((resolve) => (onConnection = resolve));
    process.send({ result: 'ready' });
    const connection = await accepted;
    const tally = new Tally();
    const before = process.cpuUsage();
    if (kind === 'stream') await roles.sink(connection, tally, count);
    else await roles.echo(connection, tally, count);
    const figures = { ...tally.result, ...spent(before) };
    // Tells the client, over the contestant's own connection, that all has come.
    if (kind === 'stream') await roles.source(connection, makeMessage(size), 1);
    current = connection;
    return figures;
  },

  /** The side that connects and measures the time. */
  async drive({ port, kind, size, count, inFlight }) {
    const connection = await contestant.connect(port);
    const message = makeMessage(size);
    const tally = new Tally();
    const before = process.cpuUsage();
    const start = process.hrtime.bigint();
    if (kind === 'stream') {
      const answer = roles.sink(connection, tally, 1);
      await roles.source(connection, message, count);
      await answer;
    } else {
      await roles.requests(connection, message, count, inFlight, tally);
    }
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    current = connection;
    return { ...tally.result, ...spent(before), seconds };
  },

  /** After both sides have what they wait for. */
  async close() {
    await contestant.close(current);
  },
};

function spent(before) {
  const { user, system } = process.cpuUsage(before);
  return { cpu: (user + system) / 1e6 };
}

process.on('message', (command) => void run(command));
process.on('disconnect', () => process.exit());

async function run({ name, argument }) {
  try {
    process.send({ result: await commands[name](argument) });
  } catch (error) {
    process.send({ error: String(error?.stack ?? error) });
  }
}

process.send({ result: 'loaded' });
