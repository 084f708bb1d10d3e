// TCP and WebSocket, by the listen of k4net: in Node, Bun and Deno. Each address is a URL.
export function tcp({ listen }) {
  return async (options, url = 'tcp://127.0.0.1:0') => {
    const port = Number(url.split(':').at(-1));
    const server = await listen({ ...options, port });
    return { server, address: server.urls[0] };
  };
}

export function webSocket({ listen }) {
  return async (options, url) => {
    // The pages of the clients come from another port.
    const webSocket = { port: url === undefined ? 0 : Number(new URL(url).port), origins: '*' };
    const server = await listen({ ...options, webSocket });
    return { server, address: server.urls[0] };
  };
}
