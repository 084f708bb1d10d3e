import { spawnSync } from 'node:child_process';

/** The name of a Python that runs here, if there is one. */
export const python: string | undefined = ['python3', 'python'].find((name) => {
  const { status, stdout } = spawnSync(name, ['-c', 'import sys; print(sys.version_info[0])'], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  return status === 0 && stdout.trim() === '3';
});
