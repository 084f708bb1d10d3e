#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { systemCode } from '../errors.js';
import { UsageError } from './arguments.js';
import { demo } from './demo.js';
import { demoServer } from './demo-server.js';
import { fingerprint, keygen } from './keys.js';
import { trust } from './trust.js';

const usages = {
  demo: `
  demo [FILE]
      Starts a server process and a client process, which send the file to each other over TCP in chunks,
      encrypted, each by a call that is answered; then they compare hashes and say how fast it went.
      Without a file it sends the Node program itself. The server's key is made on the first run, in the
      user's configuration folder.
`,
  keygen: `
  keygen PATH [--size BITS]
      Makes a private key for a server in PATH.sk, for its owner only, and prints its fingerprint.
      Replaces no file. BITS is 2048, 3072 (the default) or 4096.
`,
  fingerprint: `
  fingerprint FILE
      Prints the fingerprint of the key in FILE: a private key (.sk), a public key (.pk) or another PEM.
`,
  trust: `
  trust list
  trust add NAME FINGERPRINT
  trust replace NAME FINGERPRINT
  trust revoke NAME [FINGERPRINT]
  trust remove NAME
      Shows the servers that clients know, or changes one. NAME is what 'connect' looks up: 'host:port',
      '[address]:port' for IPv6, 'unix:path', or the serverName. 'add' keeps another key that is known
      already, and fails; 'replace' does not. After 'revoke' clients refuse the server until 'replace'.
      A server that is not known yet is revoked with its FINGERPRINT. After 'remove' the next connection
      is a first use again. All take --file FILE for another known-hosts file than the one in the user's
      configuration folder. A file with a line that is not understood is never changed.
`,
} as const;

const usage = `usage: k4net COMMAND ...
${Object.values(usages).join('')}
  help
      Prints this.

  --version
      Prints the version of the package.

The exit code is 0 for success, 1 for a failure, 2 for a command line that means nothing.
`;

type Command = (args: readonly string[]) => Promise<number>;

const commands: Readonly<Record<string, Command>> = {
  demo: ([file, ...rest]) => {
    if (rest.length > 0) throw new UsageError(`'${rest[0] ?? ''}' is one argument too many`);
    return demo(file);
  },
  'demo-server': demoServer,
  keygen,
  fingerprint,
  trust,
};

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(usage);
    return 0;
  }
  if (name === '--version') {
    process.stdout.write(`${await packageVersion()}\n`);
    return 0;
  }
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) return command(args);
  throw new UsageError(name === undefined ? 'a command is missing' : `there is no command '${name}'`);
}

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** How the command that was given is used, or how all of them are. */
function usageOf(name: string | undefined): string {
  const found = Object.entries(usages).find(([command]) => command === name);
  return found ? `usage: k4net COMMAND ...\n${found[1]}` : usage;
}

for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error) => {
    if (systemCode(error) !== 'EPIPE') throw error;
    // The reader of the output is gone, as in `k4net trust list | head -1`.
    process.exit();
  });
}

const words = process.argv.slice(2);
try {
  process.exitCode = await main(words);
} catch (error) {
  const wrongUsage = error instanceof UsageError;
  // The error comes last, where the terminal shows it without scrolling.
  if (wrongUsage) process.stderr.write(`${usageOf(words[0])}\n`);
  process.stderr.write(`k4net: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = wrongUsage ? 2 : 1;
}
