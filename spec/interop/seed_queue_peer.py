"""A peer that speaks the registered messages of the Python seed library, made apart from k4net.

A registered message is `name | 00 | payload` in a frame of seed_peer.py; the name is ASCII. As in the seed, one loop
performs the tasks and another calls the callback of each name; a name that has none, the empty one too, is ignored.

Only Python's standard library. Usage:

    seed_queue_peer.py serve MODE          listens on a free local port, says which, serves one connection
    seed_queue_peer.py connect MODE PORT   connects to that port

What it has to say for itself it prints, a line each.
"""

import collections
import socket
import struct
import sys

MIXED = '<bBhHiIqQ?'


def recv_exactly(sock, length):
    data = b''
    while len(data) < length:
        part = sock.recv(length - len(data))
        if not part:
            return data
        data += part
    return data


class QueuePeer:
    """The QueueSocket of the seed, without its threads."""

    def __init__(self, sock):
        self.sock = sock
        self.callbacks = {}
        self.tasks = {}
        self.ignored = collections.Counter()
        self.running = True

    def register_callback(self, name, callback):
        self.callbacks[name] = callback

    def register_task(self, name, constructor):
        self.tasks[name] = constructor

    def remove_task(self, name):
        del self.tasks[name]

    def send(self, data):
        self.sock.sendall(struct.pack('<I', len(data)) + data)

    def send_registered(self, name, data=b''):
        self.send(name.encode('ascii') + b'\0' + data)

    def recv(self):
        """The next message, or None at the end of the stream."""
        header = recv_exactly(self.sock, 4)
        if header == b'':
            return None
        assert len(header) == 4, 'the end came inside a header'
        (length,) = struct.unpack('<I', header)
        data = recv_exactly(self.sock, length)
        assert len(data) == length, 'the end came inside a message'
        return data

    def perform_tasks(self):
        for name, constructor in self.tasks.items():
            self.send_registered(name, constructor())

    def recv_registered(self):
        """Takes one message and calls its callback."""
        message = self.recv()
        if message is None:
            self.running = False
            return
        name, nul, payload = message.partition(b'\0')
        assert nul, 'a message without a NUL: %r' % message
        callback = self.callbacks.get(name.decode('ascii'))
        if callback:
            callback(payload)
        elif name == b'':
            # The letters and the type of a control message, which is nothing to the seed.
            self.ignored[payload[:3]] += 1
        else:
            self.ignored[name] += 1

    def run(self):
        while self.running:
            self.recv_registered()


def string(data):
    """The text up to its NUL, and what is behind it."""
    text, _, rest = data.partition(b'\0')
    return text.decode('utf-8'), rest


def converse(sock):
    """Answers with registered messages of its own: values that were computed from what came."""
    peer = QueuePeer(sock)

    def ints(data):
        values = struct.unpack(MIXED, data)
        # Signed and unsigned by turns.
        numbers = [value // 2 if i % 2 else -value for i, value in enumerate(values[:8])]
        peer.send_registered('ints', struct.pack(MIXED, *numbers, not values[8]))

    def floats(data):
        one, other = struct.unpack('<fd', data)
        peer.send_registered('floats', struct.pack('<fd', one * 2, other / 3))

    def strings(data):
        first, rest = string(data)
        second, rest = string(rest)
        assert rest == b'', rest
        peer.send_registered('strings', second.upper().encode('utf-8') + b'\0' + first.encode('utf-8') + b'\0')

    def raw(data):
        peer.send_registered('raw', data[::-1])

    def tasks(data):
        (count,) = struct.unpack('<I', data)
        for number in range(count):
            peer.register_task('task %d' % number, lambda number=number: struct.pack('<Id', number, number / 8))
        peer.perform_tasks()
        for number in range(count):
            peer.remove_task('task %d' % number)
        peer.send_registered('tasks done')

    def ignored(data):
        counts = [peer.ignored[b'KQ' + bytes([kind])] for kind in range(1, 6)]
        peer.send_registered('ignored', struct.pack('<6I', *counts, peer.ignored[data]))

    for callback in (ints, floats, strings, raw, tasks, ignored):
        peer.register_callback(callback.__name__, callback)
    peer.run()
    print('clean end')


def introduce(sock):
    """Speaks first, and only by tasks: waits for nothing, performs each of them three times, and ends."""
    peer = QueuePeer(sock)
    step = 0

    def counter():
        nonlocal step
        step += 1
        return struct.pack('<q', -step)

    peer.register_task('counter', counter)
    peer.register_task('pi', lambda: struct.pack('<fd', 3.25, 3.141592653589793))
    peer.register_task('name', lambda: 'Zoë\0'.encode('utf-8'))
    for _ in range(3):
        peer.perform_tasks()
    # A name without a callback, an empty name, and one whose payload begins with a NUL.
    peer.send_registered('nobody', b'left')
    peer.send(b'\0not named')
    peer.send_registered('last', b'\0\0')
    sock.shutdown(socket.SHUT_WR)
    assert peer.recv() is None
    print('clean end')


MODES = {mode.__name__: mode for mode in (converse, introduce)}


def main():
    side, mode = sys.argv[1:3]
    if side == 'serve':
        with socket.create_server(('127.0.0.1', 0)) as server:
            print(server.getsockname()[1], flush=True)
            sock, _ = server.accept()
    else:
        sock = socket.create_connection(('127.0.0.1', int(sys.argv[3])))
    with sock:
        MODES[mode](sock)


main()
