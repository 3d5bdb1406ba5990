"""ffmpeg as a live encoder: a moving picture and a tone in real time, sent by HTTP PUT or written through the mount."""

import subprocess

SMALL = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "25",
         "-sc_threshold", "0", "-b:v", "300k", "-c:a", "aac", "-b:a", "64k"]
# Segments of one second; the list keeps six, and one more is not deleted yet. The folder stays small.
HLS = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "6", "-hls_flags", "delete_segments"]
FMP4 = ["-hls_segment_type", "fmp4"]
DASH = ["-f", "dash", "-seg_duration", "1", "-window_size", "6", "-extra_window_size", "2", "-use_template", "1",
        "-use_timeline", "0"]
# Each frame is sent as it comes, in a PUT that lasts as long as its segment.
LOW_LATENCY = ["-ldash", "1", "-streaming", "1", "-target_latency", "1", "-frag_type", "every_frame"]


def put(token, *headers):
    """Options of a muxer that sends its files by PUT: hls takes headers as its own option, dash as HTTP's."""
    lines = "".join(f"{line}\r\n" for line in (f"Authorization: Bearer {token}", *headers))
    return {"hls": ["-method", "PUT", "-headers", lines],
            "dash": ["-method", "PUT", "-http_opts", "headers=" + lines.replace("\\", "\\\\").replace(":", "\\:")]}


class Encoder:
    """Runs until stop(), or for so many seconds of picture."""

    def __init__(self, log, *outputs, seconds=600, size="320x180"):
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "warning", "-y", "-re", "-f", "lavfi", "-i",
                 f"testsrc2=size={size}:rate=25:duration={seconds}", "-re", "-f", "lavfi", "-i",
                 f"sine=frequency=440:duration={seconds}",
                 *(part for output in outputs for part in [*SMALL, *output])],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def check(self):
        """None while it runs; fails with what it said when it has ended."""
        assert self.process.poll() is None, f"the encoder has ended with {self.process.returncode}:\n{self.said()}"

    def said(self):
        with open(self.log, errors="replace") as file:
            return file.read()[-3000:]

    def stop(self):
        """An orderly end, as by Ctrl-C; fails if it had ended by itself before."""
        self.check()
        self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
