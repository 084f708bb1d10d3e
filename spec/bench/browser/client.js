// Opens the channels of one side, and runs rounds over them. Page and Node give their own parts.
import { k4netChannel, portChannel, webSocketChannel } from './channels.js';
import { Rounds } from './rounds.js';

/**
 * @param parts - `WebSocket`: the class; `library(build)`: imports a build of k4net;
 * `startWorker(build)`: starts a worker that serves rounds, without k4net if the build is
 * undefined.
 */
export function makeClient({ WebSocket, library, startWorker }) {
  const opened = new Map();

  async function open({ carrier, kind, build }, { url, pin }) {
    if (carrier === 'port') {
      const worker = startWorker(kind === 'bare' ? undefined : build);
      if (kind === 'bare') return portChannel(worker);
      const { LockedSocket } = await library(build);
      return k4netChannel(new LockedSocket(worker));
    }
    const socket = new WebSocket(`${url}/${kind}/${build}`, [], { perMessageDeflate: false });
    if (kind === 'bare') {
      await new Promise((resolve) => (socket.onopen = resolve));
      return webSocketChannel(socket);
    }
    const { EncryptedSocket, LockedSocket } = await library(build);
    return k4netChannel(kind === 'plain' ? new LockedSocket(socket) : new EncryptedSocket(socket, { pin }));
  }

  return {
    /** Runs a round of one contestant. Returns its time in milliseconds. */
    async run(contestant, server, [kind, size], count) {
      const name = JSON.stringify(contestant);
      if (!opened.has(name)) opened.set(name, new Rounds(await open(contestant, server)));
      return opened.get(name).run(kind, size, count);
    },
  };
}
