import { k4netChannel } from './channels.js';
import { serveRounds } from './rounds.js';

// Messages that come while the module loads must not be lost: nobody listens yet.
const early = [];
const keep = ({ data }) => early.push(data);
self.addEventListener('message', keep);
const { LockedSocket } = await import(`/${location.search.slice(1)}/index.js`);
self.removeEventListener('message', keep);
serveRounds(k4netChannel(new LockedSocket(self)));
for (const data of early) self.dispatchEvent(new MessageEvent('message', { data }));
