/**
 * A Node stream whose chunks are the messages. `secret-stream` promises that. Without framing it
 * holds only for ping-pong of small messages over loopback; the checks of the benchmark fail a run
 * where a chunk is anything else.
 */
export class StreamConnection {
  onMessage = () => undefined;
  onDrain = () => undefined;
  onError = () => undefined;

  constructor(stream) {
    this.stream = stream;
    stream.on('data', (chunk) => {
      this.onMessage(chunk);
    });
    stream.on('drain', () => {
      this.onDrain();
    });
    stream.on('error', (error) => {
      this.onError(error);
    });
  }

  send(message) {
    return this.stream.write(message);
  }
}
