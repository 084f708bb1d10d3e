import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import ts from 'typescript';
import { needDist, root } from '../support/dist.js';
import { seamSources } from '../support/seams.js';

const dist = join(root, 'dist');

beforeAll(needDist);

/** Identifiers that only Node has. */
const globals = ['process', 'Buffer', 'require', 'module', 'exports', 'global', '__dirname', '__filename'];
const immediate = ['setImmediate', 'clearImmediate'];

const builtFiles = (end: string): string[] =>
  readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith(end));

const readBuilt = (name: string): string => readFileSync(join(dist, name), 'utf8');

/** The globals and modules of Node that JavaScript code names, and its top-level awaits. */
function nodeNames(code: string): string[] {
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

/** Whether an identifier is the name of a property or a declaration, so no use of a global. */
function isName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  return (ts.isPropertyAssignment(parent) || ts.isMethodDeclaration(parent)) && parent.name === node;
}

function isTopLevel(node: ts.Node): boolean {
  for (let at = node.parent; !ts.isSourceFile(at); at = at.parent) if (ts.isFunctionLike(at)) return false;
  return true;
}

describe('the search for names of Node', () => {
  it('finds imports, globals and a top-level await', () => {
    expect(nodeNames("import fs from 'node:fs'; export * from 'node:net';")).toEqual(['node:fs', 'node:net']);
    expect(nodeNames("const fs = await import('node:fs');")).toEqual(['top-level await', 'node:fs']);
    expect(nodeNames("require('x'); process.exit(); Buffer.from(''); setImmediate(f);")).toEqual([
      'require',
      'process',
      'Buffer',
      'setImmediate',
    ]);
  });

  it('ignores comments, properties, plain strings and an await inside a function', () => {
    const code = "/* process.exit() */ host.process; ({ Buffer: 1 }); builtin('node:fs');";
    expect(nodeNames(code)).toEqual([]);
    expect(nodeNames('async () => { await 1; };')).toEqual([]);
  });
});

describe('the built JavaScript', () => {
  it('names no global or module of Node outside the command', () => {
    const files = builtFiles('.js').filter((name) => !name.startsWith('cli/'));
    expect(files).toEqual(expect.arrayContaining(['index.js', 'chunks/sockets.js', 'platform/node.js']));
    const found = files.map((name) => ({ name, found: nodeNames(readBuilt(name)) }));
    expect(found.filter((file) => file.found.length > 0)).toEqual([]);
  });
});

describe('the chunks of the build', () => {
  it('do not import each other in a circle, whichever forms the seams have', () => {
    const imports = new Map(builtFiles('.js').map((name) => [name, importsOf(name)]));
    expect(imports.get('chunks/util.js')).toEqual(
      expect.arrayContaining(['platform/node.js', 'platform/web.js']),
    );
    const onCircle = [...imports.keys()].filter((name) => reach(name, imports).has(name));
    expect(onCircle).toEqual([]);
  });

  function importsOf(name: string): string[] {
    return [...readBuilt(name).matchAll(/^(?:import|export)\b[^;]*? from "([^"]+)"/gm)].flatMap(
      ([, from]) => {
        const seam = seamSources.get(from!);
        if (seam) return seam.map((source) => source.replace('lib/', '').replace('.ts', '.js'));
        return from!.startsWith('.') ? [posix.join(posix.dirname(name), from!)] : [];
      },
    );
  }

  function reach(start: string, imports: ReadonlyMap<string, readonly string[]>): Set<string> {
    const reached = new Set<string>();
    const open = [...(imports.get(start) ?? [])];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (reached.has(name)) continue;
      reached.add(name);
      open.push(...(imports.get(name) ?? []));
    }
    return reached;
  }
});

describe('the built declarations', () => {
  it('name no module or type library of Node', () => {
    const files = builtFiles('.d.ts');
    expect(files).toEqual(expect.arrayContaining(['index.d.ts', 'binary/index.d.ts', 'codec/index.d.ts']));
    // The programs in doc comments may be for Node.
    const declarations = (name: string): string => readBuilt(name).replace(/^ *\/\*\*[^]*?\*\//gm, '');
    expect(files.filter((name) => /['"]node:|types="node"/.test(declarations(name)))).toEqual([]);
  });

  it('leave out what the sources mark as internal', () => {
    const all = builtFiles('.d.ts').map(readBuilt).join('\n');
    expect(all).not.toContain('@internal');
    expect(/class Server\b[^{]*\{([^}]*)\}/.exec(all)?.[1]).not.toContain('constructor(');
  });
});
