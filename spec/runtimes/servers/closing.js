/** A server of k4net, and one of something else that closes with it. */
export function closing(server, close) {
  return {
    serve: (handler) => server.serve(handler),
    close: async (options) => {
      await Promise.all([close(), server.close(options)]);
    },
  };
}
