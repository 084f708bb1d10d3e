import type { Transport } from '../transport/transport.js';

/** Reads and drops everything from the peer. Resolves when the connection is gone. */
export function readAndDrop(transport: Transport): Promise<void> {
  return new Promise((resolve) => {
    const ignore = (): void => undefined;
    transport.attach({
      data: () => true,
      drain: ignore,
      end: ignore,
      close: () => {
        resolve();
      },
    });
  });
}
