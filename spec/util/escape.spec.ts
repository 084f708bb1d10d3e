import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PeerAlertError, RemoteError } from '../../lib/errors.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { escapeText } from '../../lib/util/escape.js';

const hostile = 'ok\u001b[2J\r\nroot: granted\u0085\u009b31m \u202egnp.exe\u2066\u2028\ufeff\u200b\ud800';
const unsafe = /(?![ \ufe0f])[\p{C}\p{Z}\p{DI}]/u;

describe('text of a peer in an error message', () => {
  it('has its control, bidirectional and invisible characters escaped', () => {
    expect(escapeText(hostile)).toBe(
      'ok\\u{1b}[2J\\r\\nroot: granted\\u{85}\\u{9b}31m \\u{202e}gnp.exe\\u{2066}\\u{2028}\\u{feff}\\u{200b}\\u{d800}',
    );
    expect(escapeText('Grüße, 世界 🎉 C:\\temp')).toBe('Grüße, 世界 🎉 C:\\temp');
  });

  it('is safe and bounded for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (text) => {
        const escaped = escapeText(text);
        expect(escaped).not.toMatch(unsafe);
        expect(escaped.length).toBeLessThanOrEqual(10 * 1024 + 3);
      }),
    );
  });

  it('is escaped in message, and raw in the field of an alert or a remote error', () => {
    const alert = new PeerAlertError('internal', { alert: 13, app: 0, text: hostile, authenticated: true });
    const remote = new RemoteError('job', 'E_JOB', hostile);
    for (const error of [alert, remote]) expect(error.message).not.toMatch(unsafe);
    expect(alert.text).toBe(hostile);
    expect(remote.remoteMessage).toBe(hostile);
  });

  it('is escaped when a callback at the other end throws it', async () => {
    const [near, far] = memoryPair();
    const server = new QueueSocket(new LockedSocket(far), { onError: () => undefined });
    server.registerCallback('job', () => {
      throw new Error('\u001b]0;owned\u0007\u202e');
    });
    server.start();
    const client = new QueueSocket(new LockedSocket(near));
    client.start();
    const error: unknown = await client.call('job').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RemoteError);
    expect((error as RemoteError).message).toContain('\\u{1b}]0;owned\\u{7}\\u{202e}');
    expect((error as RemoteError).remoteMessage).toBe('\u001b]0;owned\u0007\u202e');
    await Promise.all([client.close(), server.close()]);
  });
});
