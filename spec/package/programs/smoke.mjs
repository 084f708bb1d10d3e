// Runs the installed package through `import`. Prints "ok" if everything works.
import * as k4net from 'k4net';
import * as binary from 'k4net/binary';
import * as codec from 'k4net/codec';
import { smoke } from './smoke.js';

await smoke(k4net, binary, codec);
console.log('ok');
