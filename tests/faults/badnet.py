# SPDX-License-Identifier: Apache-2.0
"""A bad network before the edge: a TCP proxy that delays, stalls and breaks
off, by its dice. Loss is a stall here: TCP would send again."""

import asyncio
import struct
import threading

LINGER_NOT = struct.pack("ii", 1, 0)  # close() sends RST


class BadNet:
    def __init__(self, port, chance, delay=0.05, reset=0.02, mute=0.02):
        """Each piece of bytes waits up to delay seconds; before it is sent on,
        the connection may be reset, or be mute for ever: open, but nothing
        moves (a peer that went out of range)."""
        self.target, self.chance = port, chance
        self.delay, self.reset, self.mute = delay, reset, mute
        self.resets = self.mutes = 0
        self.loop = asyncio.new_event_loop()
        self.listening = threading.Event()
        self.thread = threading.Thread(target=self._main, daemon=True)
        self.thread.start()
        assert self.listening.wait(10)

    def _main(self):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            asyncio.start_server(self._link, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self.listening.set()
        self.loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(
            asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()

    async def _link(self, reader, writer):
        try:
            inner = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        ways = [asyncio.ensure_future(self._pass(*way)) for way in (
            (reader, inner[1]), (inner[0], writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (writer, inner[1]):
            end.get_extra_info("socket").setsockopt(1, 13, LINGER_NOT)
            end.transport.abort()

    async def _pass(self, reader, writer):
        while piece := await reader.read(600):
            await asyncio.sleep(self.chance.random() * self.delay)
            dice = self.chance.random()
            if dice < self.reset:
                self.resets += 1
                return
            if dice < self.reset + self.mute:
                self.mutes += 1
                await asyncio.Event().wait()
            writer.write(piece)
            await writer.drain()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
