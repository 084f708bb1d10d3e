// A client that sends one-byte messages, each alone in a padded record, and prints how many it has
// sent. Usage: node padded-peer.mjs PORT PADDING COUNT
import { connect } from 'node:net';
import { EncryptedSocket } from '../../../dist/index.js';

const [port, padding, count] = process.argv.slice(2);
const sock = new EncryptedSocket(connect(Number(port), '127.0.0.1'), {
  insecureAcceptAnyKey: true,
  padding,
});
void sock.closed.then(() => process.exit(0));
for (let sent = 0; sent < Number(count); sent += 1) {
  await sock.send('x');
  await sock.flush();
}
