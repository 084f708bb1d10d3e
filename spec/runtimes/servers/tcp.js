// TCP, by the listen of k4net: in Node, Bun and Deno.
export function tcp({ listen }) {
  return async (options, address = { port: 0 }) => {
    const server = await listen({ ...address, ...options });
    return { server, address: server.address() };
  };
}
