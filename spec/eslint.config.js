import { fileURLToPath } from 'node:url';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import { importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

const root = fileURLToPath(new URL('..', import.meta.url));

// Each layer may import itself and what stands before it, never what stands after.
const layers = [
  'escape.ts',
  'errors.ts',
  'bytes.ts',
  'fifo.ts',
  'runtime.ts',
  'debug.ts',
  'options.ts',
  'waiting.ts',
  'binary',
  'transport',
  'framing',
  'crypto',
  'trust',
  'session',
  'sockets',
  'queue',
  'net',
  'cli',
];
const zones = layers.slice(0, -1).map((layer, index) => ({
  target: `./lib/${layer}`,
  from: layers.slice(index + 1).map((above) => `./lib/${above}`),
  message: 'Imports point down: see docs/architecture.md.',
}));

const nodeGlobals = ['process', 'Buffer', 'require', 'setImmediate', 'clearImmediate', '__dirname', 'global'];

export default tseslint.config(
  { ignores: ['**/node_modules/**', 'dist/**'] },
  {
    files: ['lib/**/*.ts', 'spec/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: {
      parserOptions: { project: [`${root}spec/tsconfig.json`], tsconfigRootDir: root },
    },
    settings: {
      'import-x/resolver-next': [createTypeScriptImportResolver({ project: `${root}tsconfig.json` })],
    },
    rules: {
      'import-x/no-cycle': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // isolatedDeclarations wants the annotation that this rule takes away.
      '@typescript-eslint/no-inferrable-types': 'off',
      // A union with void is the type of a function that may return a value or nothing.
      '@typescript-eslint/no-invalid-void-type': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['lib/**/*.ts'],
    rules: { 'import-x/no-restricted-paths': ['error', { zones, basePath: root }] },
  },
  {
    files: ['lib/**/*.ts'],
    ignores: ['lib/runtime.ts', 'lib/cli/**'],
    rules: {
      'no-restricted-globals': ['error', ...nodeGlobals],
      'no-restricted-imports': ['error', { patterns: ['node:*'] }],
    },
  },
  {
    files: ['spec/**/*.ts', 'lib/cli/**'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      'no-console': 'off',
    },
  },
);
