import base from '../../vitest.config.js';

/** The configuration of the tests, for the tests in this folder. */
export default { ...base, test: { ...base.test, include: ['support/programs/warning.ts'] } };
