// Runs the installed package through `import`. Says "ok" when everything did what it should.
import * as k4net from 'k4net';
import { smoke } from './smoke.js';

smoke(k4net).then(() => console.log('ok'));
