// A worker that fails.
throw new Error('thrown in the worker');
