// A server keeps its process running unless unref() was called. Prints its state.
import { connect, listen } from '../../../dist/index.js';

const server = await listen({ port: 0, plain: true });
process.on('exit', () => console.log('exit'));
const what = process.argv[2];

if (what === 'unref') {
  console.log(server.unref() === server ? 'listening' : 'not itself');
} else if (what === 'nothing' || what === 'ref again') {
  if (what === 'ref again') server.unref().ref();
  console.log(server.address().port);
  const { value: sock } = await server[Symbol.asyncIterator]().next();
  await Promise.all([sock.close(), server.close()]);
} else if (what === 'unref all') {
  server.unref();
  const near = await connect({ plain: true, ...server.address() });
  const far = (await server[Symbol.asyncIterator]().next()).value;
  near.unref();
  far.unref();
  console.log('listening');
} else if (what === 'close') {
  const near = await connect({ plain: true, ...server.address() });
  const serving = server.serve((sock) => sock.recv());
  await near.send('done');
  await near.close();
  await server.close({ timeout: 1e9 });
  await serving;
  console.log('listening');
}
