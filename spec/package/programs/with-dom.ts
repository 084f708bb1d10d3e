// Type-checked against the packed package with the DOM's types and without Node's. It is never run.
import type { QueueSocket } from 'k4net';
import { connect, LockedSocket, listen, memoryPair, type AbortSignalLike } from 'k4net';

export async function talk(): Promise<Response> {
  const controller = new AbortController();
  const signal: AbortSignalLike = controller.signal;
  const [one, other] = memoryPair();
  const near = new LockedSocket(one);
  const far = new LockedSocket(other);
  await near.send(new TextEncoder().encode('hello'), { signal: controller.signal });
  await near.send(new Uint8Array(await new Blob(['hello']).arrayBuffer()), { signal });
  const message = await far.recv({ signal: AbortSignal.timeout(1000) });
  const copy: Uint8Array = message.slice();
  return fetch('/', { method: 'POST', body: new TextDecoder().decode(copy), signal: controller.signal });
}

/** The signals that callbacks and handlers get are those of the DOM. */
export async function pass(queue: QueueSocket): Promise<void> {
  queue.registerCallback('page', async (reader, { signal }) => {
    const page = await fetch(reader.readString(), { signal });
    signal.throwIfAborted();
    return page.text();
  });
  const server = await listen({ port: 0, ephemeralKey: true });
  await server.serve(async (sock, { signal }) => {
    const either: AbortSignal = AbortSignal.any([signal, AbortSignal.timeout(1000)]);
    await fetch(sock.peer.how, { signal: either });
    const onward = await connect({ port: 1, signal });
    await onward.send(onward.peer.how, { signal });
  });
}
