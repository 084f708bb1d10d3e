import { listen, QueueSocket } from 'k4net';
import { messages } from '../../docs/examples/chat/messages.js';

/** A server of the chat that loses answers. */
export interface LossyChat {
  /** The names of the pages that have entered and are connected. */
  names(): string[];
  close(): Promise<void>;
}

/**
 * Starts a server that passes a message on to the other pages, but breaks the connection to its
 * author before it answers.
 */
export async function startLossyChat(port: number, keyPath: string): Promise<LossyChat> {
  const webSocket = { port, path: '/chat' };
  const server = await listen({ webSocket, keyPath, clientAuth: 'required', onError: () => undefined });
  const pages = new Map<QueueSocket, string>();
  const served = server.serve(async (sock) => {
    const queue = new QueueSocket(sock, { unmatched: 'drop' });
    const remote = queue.typed(messages);
    remote.registerCallback('enter', ({ name }) => {
      pages.set(queue, name);
      return { you: 0, members: [], rooms: [] };
    });
    remote.registerCallback('say', async ({ id, text }) => {
      const entry = { id, text, key: sock.peer.fingerprint ?? '', name: '', at: Date.now(), all: false };
      const others = [...pages.keys()].filter((page) => page !== queue);
      await Promise.all(others.map((page) => page.typed(messages).call('said', { room: 'lobby', entry })));
      await queue.close(undefined, { timeout: 0 });
      return { at: entry.at };
    });
    queue.start();
    await queue.closed;
    pages.delete(queue);
  });
  return {
    names: () => [...pages.values()].sort(),
    async close() {
      await server.close({ timeout: 0 });
      await served;
    },
  };
}
