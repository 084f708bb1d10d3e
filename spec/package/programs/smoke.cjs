// Runs the installed package through `require`. Says "ok" when everything did what it should.
const k4net = require('k4net');

import('./smoke.js').then(({ smoke }) => smoke(k4net)).then(() => console.log('ok'));
