// `connect` for connections that the program itself makes, with retries as `connect` has them.
const transient = ['K4NET_CONNECTION', 'K4NET_CONNECT', 'K4NET_TRUNCATED', 'K4NET_TIMEOUT'];

/** @param makeCarrier - (address) => carrier */
export function openOver({ EncryptedSocket, LockedSocket }, makeCarrier) {
  return async (address, { plain, retry, ...given }) => {
    // A port of Chromium does not tell that the other side has closed it.
    const options = retry ? { ...given, handshakeTimeout: 1000 } : given;
    for (;;) {
      try {
        const carrier = makeCarrier(address);
        if (plain) return new LockedSocket(carrier, options);
        const socket = new EncryptedSocket(carrier, options);
        await socket.handshake();
        return socket;
      } catch (error) {
        const again = transient.includes(error.code) || error.reason === 'busy';
        if (!again || !retry) throw error;
        await new Promise((resolve) => setTimeout(resolve, retry.minDelay));
      }
    }
  };
}
