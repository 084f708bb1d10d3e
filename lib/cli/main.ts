#!/usr/bin/env node
import { demo } from './demo.js';
import { demoServer } from './demo-server.js';

const usage = `usage: k4net demo [file]

  demo   starts a server process and a client process, which send the file to each other over TCP in
         chunks, encrypted, each by a call that is answered; then they compare hashes and say how fast it
         went. Without a file it sends the Node program itself. The server's key is made on the first
         run, in the user's configuration folder.
`;

async function main(command: string | undefined, args: readonly string[]): Promise<number> {
  if (command === 'demo' && args.length <= 1) return demo(args[0]);
  if (command === 'demo-server' && args.length === 0) return demoServer();
  const asked = command === 'help' || command === '--help' || command === '-h';
  (asked ? process.stdout : process.stderr).write(usage);
  return asked ? 0 : 2;
}

try {
  const [command, ...args] = process.argv.slice(2);
  process.exitCode = await main(command, args);
} catch (error) {
  process.stderr.write(`k4net: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
