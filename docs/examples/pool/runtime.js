// The only file that knows where it runs: in a page and its workers, or in Node.
const builtin = globalThis.process?.getBuiltinModule;
const threads = builtin?.('node:worker_threads');

/** The class of workers. */
export const Worker = threads?.Worker ?? globalThis.Worker;

/** In a worker: the port to the side that started it. */
export const port = threads?.parentPort ?? globalThis.self;

/** How many workers can run at the same time. */
export const processors = builtin?.('node:os').availableParallelism() ?? navigator.hardwareConcurrency;
