// Makes connections succeed and fail in several ways, and prints facts for the test as JSON. The
// output of NODE_DEBUG is on standard error.
import { connect, generateKeyPair, listen, memoryKnownHosts } from '../../../dist/index.js';

const failed = (promise) =>
  promise.then(
    () => 'ok',
    ({ code }) => code,
  );
const retry = { retries: 1, minDelay: 1, maxDelay: 1 };
const codes = [];

const [key, client] = [await generateKeyPair(), await generateKeyPair({ type: 'p256' })];
const server = await listen({
  port: 0,
  key,
  clientAuth: 'wanted',
  authorize: () => true,
  onError: () => undefined,
});
const served = server.serve(async (sock) => {
  for await (const message of sock) await sock.send(message);
});
const address = server.address();
const knownHosts = memoryKnownHosts();
for (let contact = 0; contact < 2; contact += 1) {
  const sock = await connect({ ...address, knownHosts, clientKey: client });
  await sock.send('the payload');
  await sock.recv();
  await sock.close();
}
codes.push(await failed(connect({ ...address, pin: client.fingerprint, retry: false })));
await server.close();
await served;

// The port has no listener any more.
codes.push(await failed(connect({ ...address, key: key.publicKey, retry })));

// The only place is taken.
const small = await listen({ port: 0, plain: true, maxPending: 1, onError: () => undefined });
const first = await connect({ ...small.address(), plain: true });
const second = await connect({ ...small.address(), plain: true, retry: false }).catch(() => undefined);
await second?.closed;
await first.close(undefined, { timeout: 0 });
await small.close();

// A path that would forge lines if it were printed as it is.
const forged = '/tmp/k4net-none/before\nafter\u001b[31m\u009b\u202e\u2028behind';
codes.push(await failed(connect({ path: forged, plain: true, retry: false })));

console.log(
  JSON.stringify({
    codes,
    address: `${address.host}:${address.port}`,
    server: key.fingerprint,
    client: client.fingerprint,
    secrets: [key.toPem(), client.toPem()],
  }),
);
