"""A peer that speaks the framing of the Python seed library, made apart from k4net: u32 little-endian length | bytes.

Only Python's standard library. Usage:

    seed_peer.py serve MODE          listens on a free local port, says which, serves one connection
    seed_peer.py connect MODE PORT   connects to that port

What it has to say for itself it prints, a line each.
"""

import hashlib
import socket
import struct
import sys

SIZES = [0, 1, 2, 3, 4, 5, 255, 256, 4095, 4096, 4097, 65535, 65536, 65537, 0, 1048576, 7]


def pattern(length, seed):
    """The same bytes as pattern() of spec/support/random.ts."""
    return bytes((i * 31 + (i >> 8) * 17 + seed * 101) & 0xFF for i in range(length))


def send(sock, data):
    sock.sendall(struct.pack('<I', len(data)) + data)


def recv_exactly(sock, length):
    data = b''
    while len(data) < length:
        part = sock.recv(length - len(data))
        if not part:
            return data
        data += part
    return data


def recv(sock):
    """The next message, or None at the end of the stream."""
    header = recv_exactly(sock, 4)
    if header == b'':
        return None
    assert len(header) == 4, 'the end came inside a header'
    (length,) = struct.unpack('<I', header)
    data = recv_exactly(sock, length)
    assert len(data) == length, 'the end came inside a message'
    return data


def echo(sock):
    """Sends every message back until the peer ends, and then how many there were."""
    count = 0
    while (message := recv(sock)) is not None:
        send(sock, message)
        count += 1
    send(sock, b'%d messages' % count)
    print('clean end')


def record(sock):
    """Takes the raw bytes to the peer's end, says what they were, and only then answers."""
    data = b''
    while part := sock.recv(65536):
        data += part
    print(len(data), hashlib.sha256(data).hexdigest())
    send(sock, b'recorded')


def speak(sock):
    """Sends messages of many sizes, waits for the echo of each, ends its direction and reads to the peer's end."""
    for seed, size in enumerate(SIZES):
        message = pattern(size, seed)
        send(sock, message)
        assert recv(sock) == message, 'message %d came back different' % seed
    sock.shutdown(socket.SHUT_WR)
    rest = []
    while (message := recv(sock)) is not None:
        rest.append(message.decode())
    print(rest)


def pour(sock):
    """Sends all messages in one breath and closes at once."""
    for seed, size in enumerate(SIZES):
        send(sock, pattern(size, seed))


def cut_header(sock):
    """Closes inside a header."""
    send(sock, b'whole')
    sock.sendall(b'\x05\x00')


def cut_message(sock):
    """Closes inside a message."""
    send(sock, b'whole')
    sock.sendall(b'\x05\x00\x00\x00abc')


def await_end(sock):
    """Reads to the peer's end, and says what came."""
    messages = []
    while (message := recv(sock)) is not None:
        messages.append(message.decode())
    print(messages)


MODES = {mode.__name__: mode for mode in (echo, record, speak, pour, cut_header, cut_message, await_end)}


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
