// Runs the installed package through `require`. Prints "ok" if everything works.
const k4net = require('k4net');
const binary = require('k4net/binary');
const codec = require('k4net/codec');

import('./smoke.js').then(({ smoke }) => smoke(k4net, binary, codec)).then(() => console.log('ok'));
