// Listens at the given path and waits to be killed, which leaves a stale socket file.
import { createServer } from 'node:net';

createServer().listen(process.argv[2], () => console.log('listening'));
