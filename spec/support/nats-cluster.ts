import { NatsServerProcess } from './nats-server.js';

/** For a nats-server whose monitor the tests read. */
export const monitored = 'http: "127.0.0.1:<http monitor>"';

/**
 * Starts nats-servers that are one cluster.
 *
 * @param config - lines of the configuration of each.
 */
export async function startCluster(count: number, config: string = ''): Promise<NatsServerProcess[]> {
  const first = await NatsServerProcess.start(memberConfig('', config));
  const route = `routes: ["nats-route://127.0.0.1:${first.port('route')}"]`;
  const servers = [first];
  while (servers.length < count) servers.push(await NatsServerProcess.start(memberConfig(route, config)));
  await clustered(servers);
  return servers;
}

/** Resolves when each server has a route to each other one. */
export async function clustered(servers: readonly NatsServerProcess[]): Promise<void> {
  for (const server of servers) {
    await untilMonitor<{ num_routes: number }>(
      server,
      '/routez',
      ({ num_routes: routes }) => routes >= servers.length - 1,
    );
  }
}

/** Starts a nats-server, and a leaf node of it. */
export async function startLeaf(): Promise<[hub: NatsServerProcess, leaf: NatsServerProcess]> {
  const hub = await NatsServerProcess.start(`${monitored}\nleafnodes { listen: "127.0.0.1:<leafnode>" }`);
  const remote = `leafnodes { remotes: [{ url: "nats-leaf://127.0.0.1:${hub.port('leafnode')}" }] }`;
  const leaf = await NatsServerProcess.start(remote);
  await untilMonitor<{ leafnodes: number }>(hub, '/leafz', ({ leafnodes }) => leafnodes === 1);
  return [hub, leaf];
}

/** Reads the monitor of a server until it says something. */
export async function untilMonitor<T>(
  server: NatsServerProcess,
  path: string,
  condition: (value: T) => boolean,
): Promise<T> {
  for (;;) {
    const value = await server.monitor<T>(path);
    if (condition(value)) return value;
  }
}

function memberConfig(route: string, config: string): string {
  return `${monitored}\ncluster { name: k4net, listen: "127.0.0.1:<route>", ${route} }\n${config}`;
}
