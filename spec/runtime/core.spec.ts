import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import ts from 'typescript';
import { needDist, root } from '../support/dist.js';

const dist = join(root, 'dist');

beforeAll(needDist);

/** Identifiers that only Node has. */
const globals = ['process', 'Buffer', 'require', 'module', 'exports', 'global', '__dirname', '__filename'];
const immediate = ['setImmediate', 'clearImmediate'];

/** What a built file reaches for that not every runtime has: free identifiers and imports, comments left aside. */
function reachesFor(code: string): string[] {
  const source = ts.createSourceFile('built.js', code, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) && node.text.startsWith('node:') && isModuleName(node))
      found.push(node.text);
    if (ts.isIdentifier(node) && [...globals, ...immediate].includes(node.text) && !isName(node))
      found.push(node.text);
    if (ts.isAwaitExpression(node) && isTopLevel(node)) found.push('top-level await');
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const isModuleName = (node: ts.Node): boolean =>
  ts.isImportDeclaration(node.parent) ||
  ts.isExportDeclaration(node.parent) ||
  (ts.isCallExpression(node.parent) && node.parent.expression.kind === ts.SyntaxKind.ImportKeyword);

/** The name of a property or of a declaration, not a use of something global. */
function isName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  return (ts.isPropertyAssignment(parent) || ts.isMethodDeclaration(parent)) && parent.name === node;
}

function isTopLevel(node: ts.Node): boolean {
  for (let at = node.parent; !ts.isSourceFile(at); at = at.parent) if (ts.isFunctionLike(at)) return false;
  return true;
}

describe('the core', () => {
  it('is looked at with eyes that see', () => {
    expect(reachesFor("import fs from 'node:fs'; export * from 'node:net';")).toEqual([
      'node:fs',
      'node:net',
    ]);
    expect(reachesFor("const fs = await import('node:fs');")).toEqual(['top-level await', 'node:fs']);
    expect(reachesFor("require('x'); process.exit(); Buffer.from(''); setImmediate(f);")).toEqual([
      'require',
      'process',
      'Buffer',
      'setImmediate',
    ]);
    expect(reachesFor("/* process.exit() */ host.process; ({ Buffer: 1 }); builtin('node:fs');")).toEqual([]);
    expect(reachesFor('async () => { await 1; };')).toEqual([]);
  });

  const built = (): string[] =>
    readdirSync(dist, { recursive: true, encoding: 'utf8' })
      .map((name) => name.replaceAll('\\', '/'))
      .filter((name) => name.endsWith('.js') && !name.startsWith('platform/') && !name.startsWith('cli/'));

  it('does not reach for Node, in any built file but those of platform and the command line', () => {
    const files = built();
    expect(files).toContain('sockets/locked-socket.js');
    expect(files.length).toBeGreaterThan(20);
    const found = files.map((name) => ({ name, found: reachesFor(readFileSync(join(dist, name), 'utf8')) }));
    expect(found.filter((file) => file.found.length > 0)).toEqual([]);
  });

  it('is imported without importing Node, and without a top-level await', () => {
    const code = readFileSync(join(dist, 'platform/runtime.js'), 'utf8');
    expect(reachesFor(code)).toEqual([]);
  });

  it('has no types in its declarations that only Node has, where the index reaches', () => {
    const seen = new Set<string>();
    const nodeFiles: string[] = [];
    const follow = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      const code = readFileSync(path, 'utf8');
      if (/['"]node:|types="node"/.test(code)) nodeFiles.push(path.slice(dist.length + 1));
      for (const [, name] of code.matchAll(/from '(\.[^']*)\.js'/g))
        follow(join(path, '..', `${name!}.d.ts`));
    };
    follow(join(dist, 'index.d.ts'));
    expect(nodeFiles).toEqual([]);
    expect(seen.size).toBeGreaterThan(10);
  });
});
