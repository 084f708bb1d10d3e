/** Calls of APIs that this runtime lacks, and a text that their errors contain. */
export function missingIn(k4net) {
  const pin = `sha256:${'0'.repeat(64)}`;
  if (globalThis.process !== undefined) {
    return [[() => k4net.indexedDbKnownHosts().get('name'), 'memoryKnownHosts']];
  }
  return [
    [() => k4net.connect({ port: 9000, pin }), 'build for browsers'],
    [() => k4net.connect('unix:/socket', { pin }), 'build for browsers'],
    [() => k4net.connect('ws://localhost:9000/', { keyPath: 'server' }), 'build for browsers'],
    [() => k4net.listen({ port: 0, ephemeralKey: true }), 'build for browsers'],
  ];
}
