// Starts programs of a runtime, and the project in which they find the installed package.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { npm } from './bring.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Time for a program, and for its end after its last line. */
const programTimeout = 90_000;
const exitTimeout = 10_000;

/**
 * Packs the package, installs it in a project without ws and in one with it, and copies the
 * programs.
 */
export function makeProjects(folder) {
  const packing = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const [{ filename }] = JSON.parse(npm(packing, root));
  const make = (name, packages) => {
    const project = path.join(folder, name);
    mkdirSync(project);
    writeFileSync(path.join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
    npm(['install', '--prefer-offline', path.join(folder, filename), ...packages], project);
    for (const from of ['spec/package/programs', 'spec/runtimes']) {
      cpSync(path.join(root, from), path.join(project, path.basename(from)), { recursive: true });
    }
    return project;
  };
  return { bare: make('bare', []), project: make('project', ['ws@8.23.0']) };
}

/** A program of a runtime that runs, and what it says. */
export class Program {
  /** Resolves with the exit code when the program has ended; undefined if a signal ended it. */
  exited;
  stderr = '';
  #child;
  #lines = [];
  #waiting;
  #timer;

  constructor({ binary, run }, file, args, cwd) {
    const child = spawn(binary, [...run, file, ...args], { cwd, stdio: 'pipe' });
    this.#child = child;
    this.#kill(programTimeout);
    child.stderr.setEncoding('utf8').on('data', (text) => (this.stderr += text));
    child.stdin.on('error', () => undefined);
    createInterface(child.stdout).on('line', (line) => {
      this.#lines.push(line);
      this.#waiting?.();
    });
    this.exited = new Promise((resolve) => {
      child.on('error', (error) => {
        this.stderr += error;
        resolve(undefined);
      });
      child.on('close', (code) => resolve(code ?? undefined));
    });
    void this.exited.then(() => {
      clearTimeout(this.#timer);
      this.#waiting?.();
    });
  }

  /** Resolves with the next line; undefined if the program ends before one. */
  async line() {
    if (this.#lines.length === 0) {
      const ended = this.exited;
      await Promise.race([ended, new Promise((resolve) => (this.#waiting = resolve))]);
    }
    return this.#lines.shift();
  }

  /**
   * Ends the input of the program. Resolves with whether it then exits by itself, without an error.
   */
  async ends() {
    this.#child.stdin.end();
    this.#kill(exitTimeout);
    return (await this.exited) === 0;
  }

  /** A server runs as long as the matrix: it has no time limit until it is asked to end. */
  withoutLimit() {
    clearTimeout(this.#timer);
    return this;
  }

  kill() {
    this.#child.kill('SIGKILL');
  }

  #kill(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.kill(), milliseconds);
  }
}
