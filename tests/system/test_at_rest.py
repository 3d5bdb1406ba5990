"""Whoever holds the disks reads nothing, and cannot change a byte without being noticed."""

import hashlib
import mmap
import os
import re
import shutil
import string

import pytest

from harness import (SOURCE, Store, is_mounted, outcome, pattern, read_file, run, said, scaled, seeded, wait_until,
                     write_file)


def marker(rng, alphabet=string.ascii_letters + string.digits + "_-"):
    return "".join(rng.choice(alphabet) for _ in range(64))


def files_below(*roots):
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path


def where(markers, *roots):
    """Which markers stand in which files, or in their names."""
    found = []
    for path in files_below(*roots):
        found += [(what, path) for what, text in markers.items() if text in os.path.basename(path)]
        if not os.path.getsize(path):
            continue
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as area:
            found += [(what, path) for what, text in markers.items() if area.find(text.encode()) >= 0]
    return found


def test_nothing_written_can_be_found_in_the_store(make_store):
    rng, _ = seeded("markers")
    marks = {what: marker(rng) for what in
             ("container", "folder", "name", "small content", "large content", "appended", "overwritten",
              "removed content", "removed name", "old name", "xattr name", "xattr value", "link target",
              "mime type", "fsynced", "http-read")}
    store = make_store(zones=1).mount()
    roots = [store.dir, *store.zones, f"{store.base}/home"]
    folder = f"{store.container(marks['container'])}/{marks['folder']}"
    os.mkdir(folder)
    write_file(f"{folder}/{marks['name']}", marks["small content"].encode())
    write_file(f"{folder}/large", b"".join(marks["large content"].encode() + pattern(n, 9_000) for n in range(900)))
    write_file(f"{folder}/large", marks["appended"].encode() * 100, "ab")
    write_file(f"{folder}/large", marks["overwritten"].encode() * 1_000, "r+b")
    write_file(f"{folder}/{marks['removed name']}", marks["removed content"].encode() * 5_000)
    write_file(f"{folder}/{marks['old name']}", b"renamed")
    write_file(f"{folder}/attributes", marks["http-read"].encode())
    os.setxattr(f"{folder}/attributes", f"user.{marks['xattr name']}", marks["xattr value"].encode())
    os.setxattr(f"{folder}/attributes", "user.mime_type", f"video/{marks['mime type']}".encode())
    os.symlink(f"../{marks['link target']}", f"{folder}/link")
    with open(f"{folder}/synced", "wb") as file:
        file.write(marks["fsynced"].encode() * 10)
        file.flush()
        os.fsync(file.fileno())
    assert where(marks, *roots) == [], "while mounted"
    store.sync()
    os.unlink(f"{folder}/{marks['removed name']}")
    os.rename(f"{folder}/{marks['old name']}", f"{folder}/new name")
    assert store.get(f"{folder}/attributes")[2] == marks["http-read"].encode()
    store.get(f"{folder}/absent-{marks['name']}"[:4000])
    assert where(marks, *roots) == [], "after sync"
    store.kill()
    assert where(marks, *roots) == [], "after kill -9"
    store.mount()
    assert read_file(f"{folder}/{marks['name']}") == marks["small content"].encode()
    store.umount()
    assert where(marks, *roots) == [], "after umount"
    logged = read_file(store.log).decode(errors="replace")
    assert not [what for what, text in marks.items() if "content" in what and text in logged]
    key = read_file(store.key).strip()
    assert key not in b"".join(read_file(path) for path in files_below(*roots)) and key.decode("latin-1") not in logged
    # the search itself works
    write_file(f"{store.base}/home/control", b"xx" + marks["name"].encode())
    assert where(marks, *roots) == [("name", f"{store.base}/home/control")]


def test_container_made_by_the_command_line_leaves_no_name(make_store):
    store = make_store()
    rng, _ = seeded("container name")
    name = marker(rng)
    store.cli("container", "create", name, "--store", store.dir, "--key-file", store.key)
    assert where({"container": name}, store.dir, f"{store.base}/home") == []
    assert name in said(store.cli("container", "list", "--store", store.dir, "--key-file", store.key))


# One byte flipped

class Sample:
    """A store with known content, to be copied and damaged."""

    def __init__(self, base, clean):
        self.store = Store(base, zones=1).mount()
        folder = self.store.container()
        self.content = {}
        for number in range(30):
            self.put(f"{folder}/small-{number}", pattern(number, 50 + number * 300))
        for number in range(4):
            self.put(f"{folder}/medium-{number}", pattern(100 + number, 200_000))
        self.put(f"{folder}/large", pattern(200, 9 << 20))
        self.put(f"{self.store.container('second')}/other", pattern(300, 70_000))
        for number in range(5):
            write_file(f"{folder}/gone-{number}", pattern(number, 30_000))
        self.store.sync()
        for number in range(5):
            os.unlink(f"{folder}/gone-{number}")
        self.put(f"{folder}/late", pattern(400, 20_000))
        os.setxattr(f"{folder}/late", "user.note", b"value")
        os.symlink("late", f"{folder}/link")
        self.store.sync()
        self.names = sorted(os.listdir(folder))
        self.store.umount() if clean else self.store.kill()

    def put(self, path, data):
        write_file(path, data)
        self.content[os.path.relpath(path, self.store.path)] = data

    def copy(self, base):
        """A store of the same bytes elsewhere in the same place: zones are found by their path, so the original
        is moved aside and copied back."""
        shutil.rmtree(base, ignore_errors=True)
        os.makedirs(base)
        run("cp", "-a", "--sparse=always", self.store.dir, *self.store.zones, base)


def targets(sample):
    """Files and the chance that one is chosen."""
    kinds = {"keyring": [], "database": [], "wal": [], "pack": []}
    for path in files_below(sample.store.dir, *sample.store.zones):
        name = os.path.relpath(path, sample.store.base)
        if not os.path.getsize(path) or name.endswith(("/lock", "/reserve")):
            continue
        kind = ("keyring" if "keyring" in name else "wal" if name.endswith("-wal") else
                "database" if name.endswith(".db") else "pack")
        kinds[kind].append(path)
    return kinds


def flip(path, rng, kind):
    """Flips one bit; prefers places that hold something. Returns where."""
    with open(path, "r+b") as file:
        size = os.path.getsize(path)
        for _ in range(200):
            place = rng.randrange(min(size, 4096)) if rng.random() < 0.3 else rng.randrange(size)
            file.seek(place)
            old = file.read(1)
            if old != b"\0" or rng.random() < 0.02:
                break
        file.seek(place)
        file.write(bytes([old[0] ^ (1 << rng.randrange(8))]))
    return place


ALLOWED = ("EIO", "EUCLEAN", "EBADMSG")


def read_back(sample, store):
    """(what is missing, what cannot be read); asserts that nothing differs. A file at an earlier moment of its
    writing counts as missing: the commits after it are."""
    missing, unreadable = [], []
    for name, data in sample.content.items():
        path = f"{store.path}/{name}"
        got = outcome(read_file, path)
        if got == "ENOENT":
            missing.append(name)
        elif isinstance(got, str):
            assert got in ALLOWED, f"{name}: {got}"
            unreadable.append(name)
        else:
            assert data.startswith(got), f"{name}: {len(got)} bytes differ from the {len(data)} written"
            if got != data:
                missing.append(name)
        served = outcome_of_get(store, path)
        assert served is None or served == got, f"{name}: HTTP served {len(served)} bytes that differ"
    listed = outcome(os.listdir, f"{store.path}/media")
    if isinstance(listed, str):
        unreadable.append("media/")
    elif sorted(listed) != sample.names:
        missing += sorted(set(listed) ^ set(sample.names))   # a removal may be what is missing
    return missing, unreadable


def outcome_of_get(store, path):
    """The body of a complete 200, or None for any honest failure."""
    import http.client
    try:
        status, headers, body = store.get(path)
    except (http.client.HTTPException, OSError):
        return None
    return body if status == 200 else None


REPORT = re.compile(r"(?i)damage|corrupt|authentic|tamper|\bwarn|\berror|lost|\bcut\b|aside|invalid|bad ")


@pytest.mark.parametrize("clean", [True, False], ids=["after umount", "after kill -9"])
@pytest.mark.parametrize("kind", ["keyring", "database", "wal", "pack"])
def test_one_flipped_bit_is_never_believed(kind, clean, scratch):
    rng, _ = seeded(f"flips in {kind}")
    sample = Sample(f"{scratch}/sample", clean)
    if not targets(sample)[kind]:
        assert clean and kind == "wal", f"no {kind} file to damage"
        return
    good = f"{scratch}/good"
    sample.copy(good)
    tally = {"no effect": 0, "unreadable": 0, "refused": 0, "reported missing": 0}
    for number in range(scaled(12, 150, f"flips in {kind}")):
        restore(sample, good)
        path = rng.choice(targets(sample)[kind])
        place = flip(path, rng, kind)
        told = f"flip {number} at {place} of {os.path.relpath(path, sample.store.base)}"
        try:
            tally[consequence(sample)] += 1
        except AssertionError as error:
            raise AssertionError(f"{told}: {error}\n{sample.store.log_tail()}") from error
        finally:
            sample.store.close()
            sample.store.daemon = None
    print(kind, tally)
    if kind == "pack":
        assert tally["unreadable"], "no flip ever hit content: the test would prove nothing"


def restore(sample, good):
    for path in (sample.store.dir, *sample.store.zones):
        shutil.rmtree(path)
        run("cp", "-a", "--sparse=always", f"{good}/{os.path.basename(path)}", path)


def consequence(sample):
    store = sample.store
    store.mount(wait=False)
    wait_until(lambda: store.daemon.poll() is not None or is_mounted(store.path), 30, "mounted or refused")
    if store.daemon.poll() is not None:
        assert store.daemon.returncode > 0, f"the daemon died by signal {-store.daemon.returncode}"
        assert len(store.log_tail().strip()) > 20, "a refusal says why"
        return "refused"
    wait_until(lambda: store._ready(True, False), 30, "HTTP")
    missing, unreadable = read_back(sample, store)
    assert store.alive(), "the daemon died while reading"
    log = store.log_tail()
    if missing:
        assert REPORT.search(log), f"silently missing: {missing}"
    if unreadable:
        assert REPORT.search(log), f"EIO without a line in the log: {unreadable}"
    return "reported missing" if missing else "unreadable" if unreadable else "no effect"


def test_damage_is_confined_to_what_it_covers(make_store):
    """A flip in the pack of one large file leaves every other file, and the rest of it, readable."""
    store = make_store().mount()
    folder = store.container()
    before = set(files_below(store.dir))
    write_file(f"{folder}/large", pattern(1, 24 << 20))
    store.sync()
    packs = [path for path in set(files_below(store.dir)) - before if os.path.getsize(path) > 4 << 20]
    write_file(f"{folder}/other", pattern(2, 100_000))
    store.umount()
    assert packs, "the large file has a pack"
    with open(packs[0], "r+b") as file:
        file.seek(os.path.getsize(packs[0]) // 2 + 1_000)
        old = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([old[0] ^ 0x10]))
    store.mount()
    assert read_file(f"{folder}/other") == pattern(2, 100_000)
    bad = 0
    fd = os.open(f"{folder}/large", os.O_RDONLY)
    for offset in range(0, 24 << 20, 65_536):
        got = outcome(os.pread, fd, 65_536, offset)
        if got == "EIO":
            bad += 1
        else:   # fewer bytes: up to the damage
            bad += len(got) < 65_536
            assert pattern(1, 65_536, offset).startswith(got)
    os.close(fd)
    assert bad == 1, f"{bad} pieces of 64 KiB unreadable for one flipped bit"
    target = store.target(f"{folder}/large")
    answer = store.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    body = answer.split(b"\r\n\r\n", 1)[1]
    assert len(body) < 24 << 20 and pattern(1, 24 << 20).startswith(body), "HTTP sends what is right, then is cut"
    store.umount()


# Keys

def digest_of(*roots):
    found = {}
    for path in files_below(*roots):
        when = 0 if os.path.basename(path) == "lock" else os.stat(path).st_mtime_ns
        found[path] = (hashlib.sha256(read_file(path)).hexdigest(), when)
    return found


def test_wrong_key_is_one_message_and_changes_nothing(make_store):
    store, other = make_store(zones=1), make_store("other")
    store.mount()
    write_file(f"{store.container()}/f", b"x")
    store.umount()
    before = digest_of(store.dir, *store.zones)
    seen = set()
    write_file(f"{store.base}/short.key", b"short")
    os.chmod(f"{store.base}/short.key", 0o600)
    for command in (["mount", store.dir, store.path, "--foreground"],
                    ["serve", store.dir, "--http", "127.0.0.1:0"],
                    ["container", "create", "x", "--store", store.dir]):
        done = store.cli(*command, "--key-file", other.key, check=False)
        assert done.returncode != 0
        lines = [line for line in said(done).splitlines() if line.strip()]
        assert len(lines) <= 3 and "key" in said(done).lower(), lines
        seen.add(done.returncode)
        assert digest_of(store.dir, *store.zones) == before, command
    assert len(seen) == 1, "one exit code for a wrong key"
    manual = read_file(f"{SOURCE}/man/reelfs.1").decode()
    assert re.search(rf"\.It {seen.pop()}\n.*key", manual), "the exit code is documented"
    assert store.cli("mount", store.dir, store.path, "--foreground", "--key-file", f"{store.base}/short.key",
                     check=False).returncode != 0
    assert digest_of(store.dir, *store.zones) == before
    store.mount()
    assert read_file(f"{store.path}/media/f") == b"x"


def test_recovery_key_is_printed_once_and_key_files_are_private(make_store):
    store = make_store()
    assert "recovery" in store.init_said.lower()
    assert os.stat(store.key).st_mode & 0o777 == 0o600
    for path in files_below(store.dir):
        assert os.stat(path).st_mode & 0o077 == 0, f"{path} is private"


def test_passphrase_opens_the_store(make_store):
    store = make_store(init=False)
    secret = f"{store.base}/passphrase"
    write_file(secret, b"correct horse battery staple\n")
    os.chmod(secret, 0o600)
    store.cli("init", store.dir, "--passphrase-file", secret)
    store.cli("container", "create", "films", "--store", store.dir, "--passphrase-file", secret)
    write_file(secret, b"another\n")
    done = store.cli("container", "list", "--store", store.dir, "--passphrase-file", secret, check=False)
    assert done.returncode != 0 and "films" not in said(done)
    write_file(secret, b"correct horse battery staple")
    assert "films" in said(store.cli("container", "list", "--store", store.dir, "--passphrase-file", secret))
