// WebSocket, by the server of Deno itself.
import { closing } from './closing.js';

export function denoServe({ listen }) {
  return async (options, address) => {
    const server = await listen({ ...options, webSocket: false });
    const port = address === undefined ? 0 : Number(new URL(address).port);
    const http = Deno.serve({ hostname: '127.0.0.1', port, onListen: () => undefined }, (request, info) => {
      // After the upgrade, Deno does not tell the address any more.
      const address = info.remoteAddr.hostname;
      const { socket, response } = Deno.upgradeWebSocket(request);
      server.accept(socket, { address });
      return response;
    });
    return { server: closing(server, () => http.shutdown()), address: `ws://127.0.0.1:${http.addr.port}/` };
  };
}
