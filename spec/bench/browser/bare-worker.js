import { portChannel } from './channels.js';
import { serveRounds } from './rounds.js';

serveRounds(portChannel(globalThis.self));
