# SPDX-License-Identifier: MIT
"""A TCP proxy between a program and its server that can be told to misbehave: cut bytes anywhere, stop, close, reset."""
import asyncio
import socket
import struct
import threading


class Proxy:
    """`pieces` makes the sizes of what is passed on at once; None: as it comes. `delay`: seconds before each read's is. `last`: when
    the server has said this, the connection ends."""

    def __init__(self, port, pieces=None, delay=0, last=None):
        self.target, self.pieces, self.delay, self.silent, self.refuse = port, pieces, delay, False, False
        self.last = last
        self.connections = 0  # made so far
        self.passed = 0       # bytes from the server
        self.writers = []
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    def run(self, ready):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    async def serve(self, reader, writer):
        if self.refuse:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        self.writers += [writer, back]
        await asyncio.gather(self.forward(reader, back, False), self.forward(there, writer, True))

    async def forward(self, reader, writer, counts):
        try:
            while data := await reader.read(65536):
                while self.silent:
                    await asyncio.sleep(0.02)
                await asyncio.sleep(self.delay)
                if counts:
                    self.passed += len(data)
                await self.pass_on(data, writer)
                if counts and self.last and self.last in data:
                    break
        except OSError:
            pass
        writer.close()

    async def pass_on(self, data, writer):
        while data:
            size = next(self.pieces) if self.pieces else len(data)
            writer.write(data[:size])
            await writer.drain()
            if self.pieces:
                await asyncio.sleep(0)
            data = data[size:]

    def call(self, function):
        asyncio.run_coroutine_threadsafe(function(), self.loop).result(60)

    def cut(self, reset=False):
        """End all connections there are now, politely or not."""
        async def end():
            for writer in self.writers:
                if writer.is_closing():
                    continue
                if reset:
                    connection = writer.get_extra_info("socket")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                else:
                    writer.close()
            self.writers = []
        self.call(end)

    def close(self):
        self.cut(reset=True)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(60)
