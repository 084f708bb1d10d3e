// Starts a child that reports how its pipe ends, and says when the child is ready.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fromChildProcess, LockedSocket } from '../../../dist/index.js';

const program = fileURLToPath(new URL('child.mjs', import.meta.url));
const child = spawn(process.execPath, [program, 'report its end'], {
  stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
});
console.log(await new LockedSocket(fromChildProcess(child)).recvText());
