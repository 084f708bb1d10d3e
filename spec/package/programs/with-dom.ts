// Type-checked against the packed package with the DOM's types and without Node's. It is never run.
import { LockedSocket, memoryPair, type AbortSignalLike } from 'k4net';

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
