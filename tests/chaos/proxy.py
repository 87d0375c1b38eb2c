"""A TCP proxy on loopback that does what networks do: refuses, resets, holds, delays.

One Proxy serves any number of links; a Link is a listening port and where it leads to. What a link does may be
changed at any time, from any thread, for both directions or one ("up" is from the client to the server).
"""

import asyncio
import socket
import struct
import threading

READ_BYTES = 65536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER 0: close() sends RST


def listening_socket():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    return listener


class Direction:
    """One way through one link: held or not, and how late."""

    def __init__(self):
        self.delay_s = 0.0
        self.open = asyncio.Event()
        self.open.set()


class Link:
    def __init__(self, proxy, target_port):
        self.proxy = proxy
        self.target_port = target_port
        self.socket = listening_socket()
        self.port = self.socket.getsockname()[1]
        self.is_refusing = False
        self.ways = {"up": Direction(), "down": Direction()}
        self.pairs = set()

    # --- from any thread -------------------------------------------------------------------------

    def reset(self):
        """Cuts every connection there is; new ones are served."""
        self.proxy.call(self._reset)

    def refuse(self, is_refusing=True):
        """Cuts every connection, and new ones as they come."""
        self.proxy.call(self._refuse, is_refusing)

    def hold(self, *ways):
        """Bytes wait, as when packets are lost: connections stay, nothing arrives. Without a way: both."""
        self.proxy.call(self._hold, ways or ("up", "down"))

    def delay(self, seconds):
        """Each piece of data arrives so much later."""
        self.proxy.call(self._delay, seconds)

    def lead_to(self, port):
        """Another server from now on; connections to the old one are cut."""
        self.target_port = port
        self.reset()

    def heal(self):
        self.proxy.call(self._heal)

    # --- in the loop -----------------------------------------------------------------------------

    def _reset(self):
        for pair in list(self.pairs):
            for writer in pair:
                cut(writer)

    def _refuse(self, is_refusing):
        self.is_refusing = is_refusing
        if is_refusing:
            self._reset()

    def _hold(self, ways):
        for way in ways:
            self.ways[way].open.clear()

    def _delay(self, seconds):
        for way in self.ways.values():
            way.delay_s = seconds

    def _heal(self):
        self.is_refusing = False
        for way in self.ways.values():
            way.delay_s = 0.0
            way.open.set()

    async def serve(self, reader, writer):
        if self.is_refusing:
            cut(writer)
            return
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            cut(writer)
            return
        pair = (writer, server_writer)
        self.pairs.add(pair)
        try:
            await asyncio.gather(self.pump(reader, server_writer, self.ways["up"]),
                                 self.pump(server_reader, writer, self.ways["down"]))
        finally:
            self.pairs.discard(pair)
            for end in pair:
                end.close()

    async def pump(self, reader, writer, way):
        """Passes one direction on until its end; a broken one breaks the other too."""
        try:
            while data := await reader.read(READ_BYTES):
                await way.open.wait()
                if way.delay_s:
                    await asyncio.sleep(way.delay_s)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            cut(writer)


def cut(writer):
    sock = writer.get_extra_info("socket")
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    except OSError:
        pass  # it is closed
    writer.transport.abort()


class Proxy:
    """Its links live on a thread with a loop of their own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.links = []
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def link(self, target_port):
        async def start():
            link = Link(self, target_port)
            await asyncio.start_server(link.serve, sock=link.socket)
            return link

        link = asyncio.run_coroutine_threadsafe(start(), self.loop).result(10)
        self.links.append(link)
        return link

    def call(self, function, *args):
        async def call():
            function(*args)

        asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)

    def close(self):
        async def end():
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
