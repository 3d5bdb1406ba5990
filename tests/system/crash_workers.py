"""The load of the crash tests. Each worker does one kind of work on the mount until the daemon dies under it, and
writes what it was promised to a record outside the store, only after the system call that promised it returned.

A record is lines of JSON. "begin" says what is about to be tried (it may or may not have happened), anything
else is a promise. `durable` promises (fsync, fsyncdir) must survive a power cut; all must survive kill -9.

verify_<worker>(folder, record, seed, power_cut) checks a record against the tree and returns how many promises it
checked; or {promise: how many}, when a worker has several kinds. PROMISES are all of them.

Workers that speak HTTP find in the environment: CRASH_HTTP, the address; CRASH_TARGET, a finished file;
CRASH_FOLDER, the folder above theirs; CRASH_TOKEN, which may put.
"""

import errno
import http.client
import json
import os
import random
import sys
import time

from harness import http_connection, outcome, pattern, read_file, write_file

GONE = {errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ECONNREFUSED, errno.ESTALE}


class Record:
    def __init__(self, path):
        self.fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def __call__(self, what, **facts):
        os.write(self.fd, (json.dumps({"what": what, **facts}) + "\n").encode())


def read_record(path):
    if not os.path.exists(path):
        return []
    return [json.loads(line) for line in read_file(path).decode().splitlines() if line.endswith("}")]


def sync_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def of(record, *kinds):
    return [line for line in record if line["what"] in kinds]


def last(record, kind, field, default):
    found = of(record, kind)
    return found[-1][field] if found else default


# Appends, each then and now with fsync. The file is a prefix of one stream, at least as long as promised.

def appender(folder, record, rng, seed):
    fd = os.open(f"{folder}/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    at = 0
    while True:
        size = rng.choice((1, 100, 4_096, 9_000, 50_000, 300_000))
        data = pattern(seed, size, at)
        done = 0
        while done < size:
            done += os.write(fd, data[done:])
        at += size
        if rng.random() < 0.6:
            os.fsync(fd)
            record("fsync", size=at, durable=True)
        elif rng.random() < 0.1:
            os.close(fd)
            record("close", size=at)
            fd = os.open(f"{folder}/log", os.O_WRONLY | os.O_APPEND)
        if at > 20 << 20:   # enough to verify
            os.close(fd)
            record("close", size=at)
            return


def verify_appender(folder, record, seed, power_cut):
    promised = [line["size"] for line in of(record, "fsync", "close") if line.get("durable") or not power_cut]
    path = f"{folder}/log"
    if not promised:
        return 0
    data = read_file(path)
    assert len(data) >= max(promised), f"log: {len(data)} bytes, {max(promised)} were promised"
    assert_stream(data, seed, "log")
    return len(promised)


def assert_stream(data, seed, name):
    expected = pattern(seed, len(data))
    if data != expected:
        at = next(i for i in range(len(data)) if data[i] != expected[i])
        raise AssertionError(f"{name}: wrong at {at} of {len(data)}: {data[at:at + 40]!r} instead of "
                             f"{expected[at:at + 40]!r}")


# Overwrites of random blocks. Each block is one whole version, not older than promised.

BLOCKS, BLOCK = 48, 12_288


def stamped(seed, block, version):
    return (b"%08d.%08d." % (block, version) + pattern(seed + version, 110)).ljust(128, b"=") * (BLOCK // 128)


def overwriter(folder, record, rng, seed):
    fd = os.open(f"{folder}/blocks", os.O_CREAT | os.O_RDWR, 0o644)
    for block in range(BLOCKS):
        os.pwrite(fd, stamped(seed, block, 0), block * BLOCK)
    os.fsync(fd)
    record("all", durable=True)
    version = 0
    while True:
        tried = []
        for _ in range(rng.choice((1, 1, 2, 5))):
            version += 1
            block = rng.randrange(BLOCKS)
            record("begin", block=block, version=version)
            os.pwrite(fd, stamped(seed, block, version), block * BLOCK)
            tried.append((block, version))
        os.fdatasync(fd)
        record("blocks", tried=tried, durable=True)


def verify_overwriter(folder, record, seed, power_cut):
    if not of(record, "all"):
        return 0
    data = read_file(f"{folder}/blocks")
    assert len(data) == BLOCKS * BLOCK, f"blocks: {len(data)} bytes"
    least = dict.fromkeys(range(BLOCKS), 0)
    possible = {block: {0} for block in range(BLOCKS)}
    for line in record:
        if line["what"] == "begin":
            possible[line["block"]].add(line["version"])
        for block, version in line.get("tried", []):
            least[block] = version
    for block in range(BLOCKS):
        piece = data[block * BLOCK:(block + 1) * BLOCK]
        head = piece[:17].split(b".")
        assert len(head) == 2 and head[0] == b"%08d" % block, f"block {block} begins {piece[:40]!r}"
        version = int(head[1])
        assert version in possible[block], f"block {block} has version {version}, never written"
        assert version >= least[block], f"block {block} has version {version}, {least[block]} was promised"
        assert piece == stamped(seed, block, version), f"block {block} is not one whole version"
    return len(of(record, "blocks", "all"))


# Rename over: the old or the new content, whole.

def renamer(folder, record, rng, seed):
    version = 0
    while True:
        version += 1
        size = rng.choice((10, 5_000, 40_000, 200_000))
        temporary = f"{folder}/playlist.{version % 3}.tmp"
        record("begin", version=version, size=size)
        fd = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
        os.write(fd, b"%010d" % version + pattern(seed + version, size))
        synced = rng.random() < 0.5
        if synced:
            os.fsync(fd)
        os.close(fd)
        os.rename(temporary, f"{folder}/playlist")
        record("renamed", version=version)
        if synced:
            sync_folder(folder)
            record("durable", version=version, durable=True)


def verify_renamer(folder, record, seed, power_cut):
    least = last(record, "durable" if power_cut else "renamed", "version", 0)
    path = f"{folder}/playlist"
    if not os.path.exists(path):
        assert least == 0, f"playlist is gone; version {least} was promised"
        return 0
    data = read_file(path)
    sizes = {line["version"]: line["size"] for line in of(record, "begin")}
    assert len(data) >= 10, f"playlist has {len(data)} bytes: neither old nor new"
    version = int(data[:10])
    assert version in sizes and version >= least, f"playlist is version {version}; {least} was promised"
    assert data[10:] == pattern(seed + version, sizes[version]), f"playlist {version} is not whole"
    return len(of(record, "durable" if power_cut else "renamed"))


# Small files: close is enough for kill -9. Some are removed again, and stay removed.

def creator(folder, record, rng, seed):
    number = 0
    while True:
        number += 1
        size = rng.choice((0, 1, 200, 5_000, 16_384, 70_000))
        path = f"{folder}/small-{number}"
        record("begin", number=number, size=size)
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        os.write(fd, pattern(seed + number, size)) if size else None
        if rng.random() < 0.1:
            os.fsync(fd)
            record("created", number=number, size=size, durable=True)
        os.close(fd)
        record("created", number=number, size=size)
        if number > 5 and rng.random() < 0.3:
            victim = number - 5
            record("begin remove", number=victim)
            os.unlink(f"{folder}/small-{victim}")
            record("removed", number=victim)
            if rng.random() < 0.2:
                sync_folder(folder)
                record("removed", number=victim, durable=True)


def verify_creator(folder, record, seed, power_cut):
    promises = [line for line in record if line.get("durable") or not power_cut]
    begun = {line["number"]: line["size"] for line in of(record, "begin")}
    maybe_removed = {line["number"] for line in of(record, "begin remove")}
    removed = {line["number"] for line in of(promises, "removed")}
    for line in of(promises, "created"):
        number = line["number"]
        if number not in maybe_removed:
            got = outcome(read_file, f"{folder}/small-{number}")
            assert got == pattern(seed + number, line["size"]), \
                f"small-{number} of {line['size']} bytes: {got if isinstance(got, str) else len(got)}"
    for number in removed:
        assert not os.path.exists(f"{folder}/small-{number}"), f"small-{number} is back"
    for name in os.listdir(folder):
        number = int(name.split("-")[1])
        data = read_file(f"{folder}/{name}")
        assert number in begun, f"{name} was never created"
        assert len(data) <= begun[number], f"{name} is too long"
        assert data == pattern(seed + number, len(data)), f"{name}: wrong bytes"
    return len(of(promises, "created", "removed"))


# Names, links, attributes: every completed operation survives kill -9, in order.

def changer(folder, record, rng, seed):
    number = 0
    while True:
        number += 1
        record("begin", number=number)
        os.mkdir(f"{folder}/d{number}", 0o755)
        write_file(f"{folder}/d{number}/f", b"%d" % number)
        os.link(f"{folder}/d{number}/f", f"{folder}/l{number}")
        os.symlink(f"d{number}", f"{folder}/s{number}")
        os.setxattr(f"{folder}/l{number}", "user.n", b"%d" % number)
        os.chmod(f"{folder}/l{number}", 0o600 + number % 64)
        os.utime(f"{folder}/l{number}", ns=(number, number))
        os.rename(f"{folder}/d{number}", f"{folder}/e{number}")
        record("changed", number=number)
        if rng.random() < 0.1:
            sync_folder(folder)
            record("changed", number=number, durable=True)


def verify_changer(folder, record, seed, power_cut):
    promises = [line for line in of(record, "changed") if line.get("durable") or not power_cut]
    known = last(promises, "changed", "number", 0)
    present = {name for name in os.listdir(folder)}
    for number in range(1, known + 1):
        assert f"d{number}" not in present and f"e{number}" in present, f"rename {number} is lost"
        assert read_file(f"{folder}/e{number}/f") == b"%d" % number
        found = os.stat(f"{folder}/l{number}")
        assert (found.st_nlink, found.st_mode & 0o777, found.st_mtime_ns) == (2, 0o600 + number % 64, number)
        assert os.readlink(f"{folder}/s{number}") == f"d{number}"
        assert os.getxattr(f"{folder}/l{number}", "user.n") == b"%d" % number
    # what was not promised is a prefix of the operations
    numbers = sorted(int(name[1:]) for name in present)
    begun = last(record, "begin", "number", 0)
    assert not numbers or numbers[-1] <= begun, "an operation that was never begun"
    later = [name for name in present if int(name[1:]) == known + 1]
    if any(name[0] == "s" for name in later):
        assert any(name[0] == "l" for name in later), "symlink without the link made before it"
    return len(promises)


# HTTP readers: what is served of a finished file is right, also while the daemon is dying.

def reader(folder, record, rng, seed):
    address, target = os.environ["CRASH_HTTP"], os.environ["CRASH_TARGET"]
    count = 0
    try:
        while True:
            connection = http_connection(address, timeout=10)
            for _ in range(20):
                first = rng.randrange(300_000)
                length = rng.choice((1, 5_000, 100_000))
                final = min(first + length, 300_000) - 1
                connection.request("GET", target, headers={"Range": f"bytes={first}-{final}"})
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 206 or body != pattern(77, final - first + 1, first):
                    record("wrong", status=answer.status, first=first, final=final, got=len(body))
                count += 1
                record("read", count=count)
            connection.close()
    except (OSError, http.client.HTTPException):
        pass


def verify_reader(folder, record, seed, power_cut):
    assert not of(record, "wrong"), of(record, "wrong")[:3]
    return len(of(record, "read"))


# What is sent over HTTP, in pieces, and given up now and then.

def put(connection, name, headers, pieces, whole=True):
    """The answer's status; without the end of the body there is none."""
    connection.putrequest("PUT", f"{os.environ['CRASH_FOLDER']}/{name}")
    for header, value in {"Authorization": f"Bearer {os.environ['CRASH_TOKEN']}", "Transfer-Encoding": "chunked",
                          **headers}.items():
        connection.putheader(header, value)
    connection.endheaders()
    for piece in pieces:
        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    if not whole:
        connection.close()   # the next request opens another
        return None
    connection.send(b"0\r\n\r\n")
    answer = connection.getresponse()
    answer.read()
    return answer.status


# STREAMING uploads over a few names, seen while they grow. What was answered is there, unless a later one has come
# whole; one that was given up never is, nor the folder made for it.

def uploader(folder, record, rng, seed):
    connection, version = http_connection(os.environ["CRASH_HTTP"], timeout=60), 0
    try:
        while True:
            version += 1
            size, whole = rng.choice((0, 5_000, 40_000, 300_000, 1_000_000)), rng.random() < 0.7
            name = f"growing-{version % 3}" if whole or rng.random() < 0.7 else f"made-{version}/growing"
            body = b"%010d" % version + pattern(seed + version, size)
            step = rng.choice((1_000, 30_000, 400_000))
            record("begin", version=version, name=name, size=size, whole=whole)
            status = put(connection, f"uploader/{name}", {"x-amz-upload-availability": "STREAMING"},
                         (body[at:at + step] for at in range(0, len(body), step)), whole)
            if status == 200:
                record("uploaded", version=version, name=name, durable=True)
            elif whole:
                record("wrong error", status=status, version=version)
                return
    except (OSError, http.client.HTTPException) as error:
        record("gone", text=repr(error))


def verify_uploader(folder, record, seed, power_cut):
    begun = {line["version"]: line for line in of(record, "begin")}
    least = {line["name"]: line["version"] for line in of(record, "uploaded")}
    present = set(os.listdir(folder))
    for name in present:
        data = read_file(f"{folder}/{name}")   # not a folder: those were made for what was given up
        assert len(data) >= 10, f"{name} has {len(data)} bytes: neither old nor new"
        version = int(data[:10])
        line = begun.get(version)
        assert line and line["name"] == name, f"{name} is version {version}, never uploaded there"
        assert line["whole"], f"{name} is version {version}, which was given up"
        assert version >= least.get(name, 0), f"{name} is version {version}; {least[name]} was promised"
        assert data[10:] == pattern(seed + version, line["size"]), f"{name}, version {version}, is not whole"
    assert present >= set(least), f"gone: {set(least) - present}"
    return len(of(record, "uploaded"))


# Objects under transient rules, made through either door. Each is there until its instant and not from then on. The
# record knows the instant as well as the time before and after the object got its name.

LIFETIMES = {"short": 2, "long": 120}   # seconds: one to see it gone, one to see it there, however slow the machine


def lifecycle():
    """The policy of the container that the folders of the loads are in."""
    return json.dumps({"rules": [
        {"definition": {"path": [{"wildcard": f"*/expiring/*.{kind}"}],
                        "seconds_since_create": [{"numeric": [">=", seconds]}]}, "action": "EXPIRE"}
        for kind, seconds in LIFETIMES.items()]})


def expiring(folder, record, rng, seed):
    connection, number = http_connection(os.environ["CRASH_HTTP"], timeout=60), 0
    try:
        while True:
            number += 1
            kind, size = rng.choice(tuple(LIFETIMES)), rng.choice((1, 5_000, 40_000))
            name, data = f"{number}.{kind}", pattern(seed + number, size)
            how = rng.choice(("renamed", "STANDARD", "STREAMING"))
            record("begin", name=name, number=number, size=size, how=how, at=time.time())
            if how == "renamed":
                write_file(f"{folder}/{number}.tmp", data)
                record("named", name=name, at=time.time())   # later is the least that its instant counts from
                os.rename(f"{folder}/{number}.tmp", f"{folder}/{name}")
            else:
                status = put(connection, f"expiring/{name}", {"x-amz-upload-availability": how}, [data])
                if status != 200:
                    record("wrong error", status=status, name=name)
                    return
            record("made", name=name, at=time.time(), durable=how != "renamed")
    except http.client.HTTPException as error:
        record("gone", text=repr(error), at=time.time())
    except OSError as error:
        if error.errno not in GONE | {errno.ECONNRESET, errno.EPIPE}:
            raise
        record("gone", text=repr(error), at=time.time())


def verify_expiring(folder, record, seed, power_cut):
    checked = dict.fromkeys(PROMISES_OF["expiring"], 0)
    earliest = {line["name"]: line["at"] for line in of(record, "begin", "named")}
    promised = {line["name"]: line for line in of(record, "made")}
    ended = last(record, "gone", "at", None)
    for line in of(record, "begin"):
        name, lives = line["name"], LIFETIMES[line["name"].split(".")[1]]
        made = promised.get(name)
        latest = made["at"] if made else ended
        asked = time.time()
        found = outcome(read_file, f"{folder}/{name}")
        answered = time.time()
        if found == "ENOENT":
            if made and (made["durable"] or not power_cut):
                early = earliest[name] + lives - answered
                assert early <= 0, f"{name} has gone {early} s before its instant"
                checked["expiring, gone"] += 1
            continue
        expected = pattern(seed + line["number"], line["size"])
        if power_cut and line["how"] == "renamed":   # its bytes were never promised
            expected = expected[:len(found)]
        assert found == expected, \
            f"{name} of {line['size']} bytes: {found if isinstance(found, str) else len(found)}"
        assert latest is None or asked < latest + lives, f"{name} is there {asked - latest - lives} s after its instant"
        checked["expiring, still there"] += made is not None
    return checked


WORKERS = ("appender", "overwriter", "renamer", "creator", "changer", "reader", "uploader", "expiring")
OVER_HTTP = ("reader", "uploader", "expiring")
PROMISES_OF = {kind: (kind,) for kind in WORKERS} | {"expiring": ("expiring, still there", "expiring, gone")}
PROMISES = tuple(promise for kind in WORKERS for promise in PROMISES_OF[kind])


def main():
    kind, folder, record, seed = sys.argv[1], sys.argv[2], Record(sys.argv[3]), int(sys.argv[4])
    try:
        os.chdir(folder)   # a path would lead elsewhere once the dead mount is taken away
        record("started")
        globals()[kind](".", record, random.Random(seed), seed)
    except OSError as error:
        if error.errno not in GONE:
            record("wrong error", errno=errno.errorcode.get(error.errno), text=str(error))
            sys.exit(1)
        record("gone", errno=errno.errorcode.get(error.errno), text=str(error))
        sys.exit(3)


if __name__ == "__main__":
    main()
