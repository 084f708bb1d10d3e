// The worker of a page or of a worker in Chromium.
import * as k4net from '/k4net/index.js';
import { runInWorker } from './inside.js';

self.onmessage = ({ data }) =>
  void runInWorker(k4net, (message, transfer) => self.postMessage(message, transfer), data);
