// Uses each part of the package with only Node, for versions of Node that the test runner does not
// support.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function smoke(k4net, binary, codec) {
  entries(k4net, binary, codec);
  memory(k4net);
  await pair(k4net);
  await network(k4net, { port: 0 });
  if (process.platform !== 'win32') {
    const folder = mkdtempSync(join(tmpdir(), 'k4net-smoke-'));
    await network(k4net, { path: join(folder, 'socket') });
    rmSync(folder, { recursive: true });
  }
}

/** The entries share their classes, so that `instanceof` works across them. */
function entries(k4net, binary, codec) {
  for (const name of ['BinaryEditor', 'BinaryReader', 'BinaryWriter', 'EndOfDataError', 'MalformedError']) {
    assert.equal(binary[name], k4net[name], name);
  }
  for (const name of Object.keys(k4net.codec)) assert.equal(codec[name], k4net.codec[name], name);
  assert.equal(codec.DecodeError, k4net.DecodeError);
  const point = codec.struct({ x: codec.uint8, y: codec.optional(codec.string) });
  assert.deepEqual(codec.decode(point, codec.encode(point, { x: 1, y: 'a' })), { x: 1, y: 'a' });
}

function memory({ BinaryReader, BinaryWriter, EndOfDataError }) {
  const writer = new BinaryWriter();
  writer.writeString('héllo');
  writer.writeUint32(7);
  const reader = new BinaryReader(writer.data);
  assert.equal(reader.readString(), 'héllo');
  assert.equal(reader.readUint32(), 7);
  assert.throws(() => reader.readUint32(), EndOfDataError);
}

async function pair({ K4netError, LockedSocket, memoryPair }) {
  const [near, far] = memoryPair().map((transport) => new LockedSocket(transport));
  await near.send('there');
  await far.send(await far.recv());
  assert.equal(await near.recvText(), 'there');
  await assert.rejects(near.recv({ timeout: 1 }), (error) => K4netError.is(error, 'K4NET_TIMEOUT'));
  const closing = near.close('bye');
  assert.equal(await far.recvText(), 'bye');
  await Promise.all([closing, far.close()]);
}

async function network({ connect, K4netError, listen }, where) {
  const server = await listen({ ...where, plain: true });
  const serving = server.serve(async (sock) => {
    for await (const message of sock) await sock.send(message);
  });
  const address = server.address();
  const sock = await connect({ ...address, plain: true });
  const big = new Uint8Array(1_000_000).map((_, i) => i);
  for (const message of ['', 'x', big]) {
    await sock.send(message);
    const answer = await sock.recv({ timeout: 60_000, signal: new AbortController().signal });
    assert.deepEqual(answer, typeof message === 'string' ? new TextEncoder().encode(message) : message);
  }
  await sock.close();
  await server.close();
  await serving;
  await assert.rejects(connect({ ...address, plain: true, retry: false }), (error) =>
    K4netError.is(error, 'K4NET_CONNECT'),
  );
}
