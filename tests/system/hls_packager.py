"""A small LL-HLS packager for the tests, since Debian ships none: segments of parts, preload hints, and a playlist
that is replaced whole with every part. It packages numbers, not pictures: every part says which one it is, so that a
reader can tell a wrong byte. What it writes is what RFC 8216bis wants of a low-latency playlist.

Where it writes: a folder of the mount (rename over the old playlist), or URLs (PUT).
"""

import http.client
import os


class ToMount:
    """A folder of the mount: parts are written under their names, the playlist is renamed into its place."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def write(self, name, data):
        with open(f"{self.folder}/{name}", "wb") as file:
            file.write(data)

    def append(self, name, data):
        with open(f"{self.folder}/{name}", "ab", buffering=0) as file:
            file.write(data)

    def replace(self, name, data):
        with open(f"{self.folder}/.{name}.tmp", "wb") as file:
            file.write(data)
        os.rename(f"{self.folder}/.{name}.tmp", f"{self.folder}/{name}")

    def remove(self, name):
        os.unlink(f"{self.folder}/{name}")

    def close(self):
        pass


class ByPut:
    """The same over HTTP, on one connection, as an encoder that pushes."""

    def __init__(self, address, target, token):
        host, port = address.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=30)
        self.target, self.headers = target, {"Authorization": f"Bearer {token}"}

    def _send(self, method, name, data=None):
        self.connection.request(method, f"{self.target}/{name}", body=data, headers=self.headers)
        answer = self.connection.getresponse()
        answer.read()
        assert answer.status in (200, 201, 204), f"{method} {name}: {answer.status}"

    def write(self, name, data):
        self._send("PUT", name, data)

    replace = write

    def remove(self, name):
        self._send("DELETE", name)

    def close(self):
        self.connection.close()


class Packager:
    """One rendition. add_part() makes the next part and then a playlist that has it."""

    def __init__(self, sink, name="live", parts=4, part_seconds=0.5, window=4):
        self.sink, self.name = sink, name
        self.parts_per_segment, self.part_seconds, self.window = parts, part_seconds, window
        self.segments = []      # numbers of whole ones still listed
        self.segment, self.parts = 0, 0
        self.ended = False
        self.publish()

    @property
    def playlist_name(self):
        return f"{self.name}.m3u8"

    def part_name(self, segment, part):
        return f"{self.name}-{segment}.{part}.m4s"

    def segment_name(self, segment):
        return f"{self.name}-{segment}.m4s"

    def part_bytes(self, segment, part):
        return f"{self.name} segment {segment} part {part}\n".encode() * 400

    def segment_bytes(self, segment):
        return b"".join(self.part_bytes(segment, part) for part in range(self.parts_per_segment))

    def add_part(self):
        """Returns the (segment, part) that is listed now."""
        made = self.segment, self.parts
        self.sink.write(self.part_name(*made), self.part_bytes(*made))
        self.parts += 1
        if self.parts == self.parts_per_segment:
            self.sink.write(self.segment_name(self.segment), self.segment_bytes(self.segment))
            self.segments.append(self.segment)
            self.segment, self.parts = self.segment + 1, 0
        self.publish()
        while len(self.segments) > self.window:
            gone = self.segments.pop(0)
            self.sink.remove(self.segment_name(gone))
            for part in range(self.parts_per_segment):
                self.sink.remove(self.part_name(gone, part))
        return made

    def end(self):
        self.ended = True
        self.publish()

    def playlist(self):
        seconds = self.parts_per_segment * self.part_seconds
        listed = self.segments[-self.window:]
        lines = ["#EXTM3U", "#EXT-X-VERSION:9", f"#EXT-X-TARGETDURATION:{max(1, round(seconds))}",
                 f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={3 * self.part_seconds:.3f}",
                 f"#EXT-X-PART-INF:PART-TARGET={self.part_seconds:.3f}",
                 f"#EXT-X-MEDIA-SEQUENCE:{listed[0] if listed else self.segment}"]

        def parts(segment, count):
            return [f'#EXT-X-PART:DURATION={self.part_seconds:.3f},URI="{self.part_name(segment, part)}"'
                    f"{',INDEPENDENT=YES' if part == 0 else ''}" for part in range(count)]

        for segment in listed:
            if segment >= self.segment - 2:   # parts of the last segments only
                lines += parts(segment, self.parts_per_segment)
            lines += [f"#EXTINF:{seconds:.3f},", self.segment_name(segment)]
        lines += parts(self.segment, self.parts)
        if self.ended:
            lines += ["#EXT-X-ENDLIST"]
        else:
            lines += [f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{self.part_name(self.segment, self.parts)}"']
        return "\n".join(lines) + "\n"

    def publish(self):
        self.sink.replace(self.playlist_name, self.playlist().encode())
