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
      Starts a server process and a client process that send the file to each other over encrypted TCP,
      one call for each chunk. Then they compare hashes and print the speed. Without FILE, the file is
      the Node program itself. The first run creates the server's key in the user's configuration folder.
`,
  keygen: `
  keygen PATH [--size BITS]
      Creates a private key for a server in PATH.sk, readable only by its owner, and prints its
      fingerprint. Never overwrites a file. BITS is 2048, 3072 (the default) or 4096.
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
      Lists or changes the keys in the known-hosts file of clients. NAME is the name that 'connect' looks
      up: 'host:port', '[address]:port' for IPv6, 'unix:path', or the serverName. 'add' fails if the file
      has a different key for NAME; 'replace' replaces that key. After 'revoke', clients reject the server
      until 'replace'. To revoke a server that the file does not contain, give its FINGERPRINT. After
      'remove', the next connection is a first use again. --file FILE selects another file than the one in
      the user's configuration folder. A file with an invalid line is never changed.
`,
} as const;

const usage = `usage: k4net COMMAND ...
${Object.values(usages).join('')}
  help
      Prints this help.

  --version
      Prints the version of the package.

The exit code is 0 for success, 1 for a failure, 2 for a wrong command line.
`;

type Command = (args: readonly string[]) => Promise<number>;

const commands: Readonly<Record<string, Command>> = {
  demo: ([file, ...rest]) => {
    if (rest.length > 0) throw new UsageError(`unexpected argument '${rest[0] ?? ''}'`);
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

/** The usage of a command, or of all commands if the name is unknown. */
function usageOf(name: string | undefined): string {
  const found = Object.entries(usages).find(([command]) => command === name);
  return found ? `usage: k4net COMMAND ...\n${found[1]}` : usage;
}

for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error) => {
    if (systemCode(error) !== 'EPIPE') throw error;
    // The reader of the output has closed its end, as in `k4net trust list | head -1`.
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
