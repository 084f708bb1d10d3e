// Listens at the path that it is given and waits to be killed: what is left is a socket file that nobody answers.
import { createServer } from 'node:net';

createServer().listen(process.argv[2], () => console.log('listening'));
