// `ws` over node:tls with JSON, for typed calls only.
export * as driver from '../drivers/json-calls.js';
export { listen, connect, close } from './wss.js';
