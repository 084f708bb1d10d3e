import { once } from 'node:events';
import tls from 'node:tls';
import { cert, key } from '../server-key.js';

/** The same cipher as in the encrypted sockets of k4net. */
export const tlsOptions = { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_256_GCM_SHA384' };

/** Made once, because it would slow down each connection. */
export const trusted = tls.createSecureContext({ ca: cert, ...tlsOptions });

/** Listens on a free port of loopback. */
export async function listenTls(accept) {
  const server = tls.createServer({ key, cert, noDelay: true, ...tlsOptions }, accept);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

/** A TLS socket after its handshake, in which the client checked the certificate. */
export async function connectTls(port) {
  const stream = tls.connect({ port, host: '127.0.0.1', secureContext: trusted });
  stream.setNoDelay(true);
  await once(stream, 'secureConnect');
  return stream;
}
