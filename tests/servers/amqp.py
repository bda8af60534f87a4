# SPDX-License-Identifier: MIT
"""A small AMQP 0-9-1 client that shares no code with leat: what the tests put into queues and find in them."""
import socket
import struct

PERSISTENT = 2
FLAGS = {"content_type": 15, "content_encoding": 14, "headers": 13, "delivery_mode": 12, "priority": 11,
         "correlation_id": 10, "reply_to": 9, "expiration": 8, "message_id": 7, "timestamp": 6, "type": 5, "user_id": 4,
         "app_id": 3}


def short(text):
    data = text.encode() if isinstance(text, str) else text
    return bytes([len(data)]) + data


def value(what):
    if isinstance(what, bool):
        return b"t" + bytes([what])
    if isinstance(what, int):
        return b"l" + struct.pack(">q", what)
    if isinstance(what, dict):
        return b"F" + table(what)
    if isinstance(what, list):
        data = b"".join(map(value, what))
        return b"A" + struct.pack(">I", len(data)) + data
    data = what.encode()
    return b"S" + struct.pack(">I", len(data)) + data


def table(entries):
    data = b"".join(short(name) + value(what) for name, what in entries.items())
    return struct.pack(">I", len(data)) + data


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        result = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return result[0]

    def raw(self, size):
        self.at += size
        return self.data[self.at - size:self.at]

    def short(self):
        return self.raw(self.take("B")).decode()

    def value(self):
        kind = self.raw(1)
        simple = {b"b": "b", b"B": "B", b"s": "h", b"u": "H", b"I": "i", b"i": "I", b"l": "q", b"T": "Q", b"d": "d"}
        if kind in simple:
            return self.take(simple[kind])
        if kind == b"t":
            return bool(self.take("B"))
        if kind == b"V":
            return None
        size = self.take("I")
        inner = Bytes(self.raw(size))
        if kind == b"S":
            return inner.data.decode()
        if kind == b"F":
            return inner.entries()
        assert kind == b"A", kind
        values = []
        while inner.at < size:
            values.append(inner.value())
        return values

    def entries(self):
        result = {}
        while self.at < len(self.data):
            name = self.short()
            result[name] = self.value()
        return result

    def properties(self):
        flags = self.take("H")
        found = {}
        for name, bit in FLAGS.items():
            if not flags >> bit & 1:
                continue
            if name == "headers":
                found[name] = Bytes(self.raw(self.take("I"))).entries()
            elif name in ("delivery_mode", "priority"):
                found[name] = self.take("B")
            elif name == "timestamp":
                found[name] = self.take("Q")
            else:
                found[name] = self.short()
        return found


def properties_of(properties):
    flags, data = 0, b""
    for name, bit in FLAGS.items():
        if name not in properties:
            continue
        flags |= 1 << bit
        what = properties[name]
        if name == "headers":
            data += table(what)
        elif name in ("delivery_mode", "priority"):
            data += bytes([what])
        elif name == "timestamp":
            data += struct.pack(">Q", what)
        else:
            data += short(what)
    return struct.pack(">H", flags) + data


class Message:
    def __init__(self, body, properties, tag, redelivered):
        self.body, self.properties, self.tag, self.redelivered = body, properties, tag, redelivered


class Client:
    """One connection with one channel in confirm mode; every call waits for its answer."""

    def __init__(self, port, host="127.0.0.1", user="guest", password="guest"):
        self.socket = socket.create_connection((host, port), 60)
        self.buffer = b""
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        self.wait(10, 10)
        self.send(0, 10, 11, table({}) + short("PLAIN") + struct.pack(">I", len(user + password) + 2) + b"\0" +
                  user.encode() + b"\0" + password.encode() + short("en_US"))
        self.frame_max = struct.unpack(">I", self.wait(10, 30)[2:6])[0]
        self.send(0, 10, 31, struct.pack(">HIH", 2, self.frame_max, 0))
        self.call(0, 10, 40, short("/") + b"\0\0", 41)
        self.call(1, 20, 10, b"\0", 11)
        self.call(1, 85, 10, b"\0", 11)
        self.published = self.confirmed = 0
        self.delivered = []

    def send(self, channel, group, method, arguments):
        payload = struct.pack(">HH", group, method) + arguments
        self.socket.sendall(struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce")

    def read(self, size):
        while len(self.buffer) < size:
            more = self.socket.recv(1 << 18)
            assert more, "the broker closed the connection"
            self.buffer += more
        result, self.buffer = self.buffer[:size], self.buffer[size:]
        return result

    def frame(self):
        kind, _, size = struct.unpack(">BHI", self.read(7))
        payload = self.read(size + 1)
        assert payload[-1] == 0xCE
        return kind, payload[:-1]

    def wait(self, group, *methods):
        """Arguments of the next method that is one of these; with several, the method as well."""
        while True:
            kind, payload = self.frame()
            if kind != 1:
                continue
            found = struct.unpack(">HH", payload[:4])
            if found == (60, 80):
                self.confirmed = max(self.confirmed, struct.unpack(">Q", payload[4:12])[0])
            if found == (60, 60):
                name = Bytes(payload[4:])
                name.short()
                self.delivered.append(self.content(name.take("Q"), name.take("B")))
            if found[0] == group and found[1] in methods:
                return payload[4:] if len(methods) == 1 else (found[1], payload[4:])
            assert found not in ((10, 50), (20, 40)), payload

    def call(self, channel, group, method, arguments, answer):
        self.send(channel, group, method, arguments)
        return self.wait(group, answer)

    def declare(self, queue, passive=False, **arguments):
        """Returns how many messages are ready."""
        arguments = {name.replace("_", "-"): what for name, what in arguments.items()}
        answer = Bytes(self.call(1, 50, 10, b"\0\0" + short(queue) + bytes([1 if passive else 2]) + table(arguments), 11))
        answer.short()
        return answer.take("I")

    def ready(self, queue):
        return self.declare(queue, passive=True)

    def exchange(self, name, kind):
        self.call(1, 40, 10, b"\0\0" + short(name) + short(kind) + b"\2" + table({}), 11)

    def bind(self, queue, exchange, key):
        self.call(1, 50, 20, b"\0\0" + short(queue) + short(exchange) + short(key) + b"\0" + table({}), 21)

    def delete(self, queue):
        self.call(1, 50, 40, b"\0\0" + short(queue) + b"\0", 41)

    def purge(self, queue):
        self.call(1, 50, 30, b"\0\0" + short(queue) + b"\0", 31)

    def publish(self, queue, bodies, exchange="", **properties):
        """All of them; returns when they are confirmed."""
        properties.setdefault("delivery_mode", PERSISTENT)
        header = properties_of(properties)
        most, data = self.frame_max - 8, []
        method = struct.pack(">HH", 60, 40) + b"\0\0" + short(exchange) + short(queue) + b"\0"
        for body in bodies:
            data.append(struct.pack(">BHI", 1, 1, len(method)) + method + b"\xce")
            data.append(struct.pack(">BHIHHQ", 2, 1, 12 + len(header), 60, 0, len(body)) + header + b"\xce")
            for at in range(0, len(body), most):
                part = body[at:at + most]
                data.append(struct.pack(">BHI", 3, 1, len(part)) + part + b"\xce")
            self.published += 1
        self.socket.sendall(b"".join(data))
        while self.confirmed < self.published:
            self.wait(60, 80)

    def get(self, queue):
        """One message, not acknowledged, or None."""
        self.send(1, 60, 70, b"\0\0" + short(queue) + b"\0")
        method, arguments = self.wait(60, 71, 72)
        if method == 72:
            return None
        tag, redelivered = struct.unpack(">QB", arguments[:9])
        return self.content(tag, redelivered)

    def reject(self, tag, requeue=True):
        self.send(1, 60, 90, struct.pack(">QB", tag, requeue))

    def drain(self, queue):
        """All messages, taken out of the queue."""
        self.delivered = []
        while (count := self.ready(queue)) > 0:
            before = len(self.delivered)
            self.call(1, 60, 20, b"\0\0" + short(queue) + short("drain") + b"\2" + table({}), 21)  # no-ack
            while len(self.delivered) < before + count:
                self.wait(60, 60)
            self.call(1, 60, 30, short("drain") + b"\0", 31)
        return self.delivered

    def left(self, queue):
        """The same after all that a connection which is gone has left to the queue to do. A quorum queue does everything in
        one order: when a message that is published now is in it, what came before is done."""
        mark = b"mark"
        self.publish(queue, [mark])
        return [message for message in self.drain(queue) if message.body != mark]

    def content(self, tag, redelivered):
        """The rest of a message whose method was read."""
        header = Bytes(self.frame()[1])
        header.raw(4)
        size = header.take("Q")
        properties = header.properties()
        body = b""
        while len(body) < size:
            body += self.frame()[1]
        return Message(body, properties, tag, bool(redelivered))

    def close(self):
        self.send(0, 10, 50, b"\0\xc8\0\0\0\0\0")
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
