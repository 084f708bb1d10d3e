import { fileURLToPath } from 'node:url';
import tseslint from 'typescript-eslint';

const root = fileURLToPath(new URL('..', import.meta.url));

const nodeGlobals = ['process', 'Buffer', 'require', 'setImmediate', 'clearImmediate', '__dirname', 'global'];

export default tseslint.config(
  { ignores: ['**/node_modules/**', 'dist/**'] },
  {
    files: ['lib/**/*.ts', 'spec/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: [`${root}spec/tsconfig.json`], tsconfigRootDir: root },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // isolatedDeclarations wants the annotation that this rule takes away.
      '@typescript-eslint/no-inferrable-types': 'off',
      // A union with void is the type of a function that may return a value or nothing.
      '@typescript-eslint/no-invalid-void-type': 'off',
      // TypeScript infers less from a union than from an overload for each of its members.
      '@typescript-eslint/unified-signatures': ['error', { ignoreOverloadsWithDifferentJSDoc: true }],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['lib/**/*.ts'],
    ignores: ['lib/platform/**', 'lib/cli/**'],
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
