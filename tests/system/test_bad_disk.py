"""A disk that gives other bytes than it was given, while the system still has the right ones in memory: whoever looks
for damage asks the disk."""

import glob
import json
import os

import pytest

from harness import detach, mount_ext4, pattern, read_file, said, write_file

pytestmark = pytest.mark.needs_root   # it makes a file system of its own

MiB = 1 << 20
DAMAGED, LEFT = 6, 4   # reelfs(1), and fsck(8)


@pytest.fixture
def store(make_store, scratch):
    """On a volume of its own, mounted, with one file."""
    volume, store = f"{scratch}/volume", make_store(init=False)
    mount_ext4(f"{scratch}/image", volume, 128 * MiB, "-b", "4096")
    try:
        store.dir = f"{volume}/store"
        store.cli("init", store.dir, "--key-file", store.key)
        store.mount()
        write_file(f"{store.container('films')}/clip.mp4", pattern(1, 4 * MiB))
        store.sync()
        yield store
    finally:
        store.close()
        detach(volume)


def rot(path, offset, image):
    """Changes a byte of a file on the disk only."""
    os.sync()
    page = read_file(path)[offset:offset + 4096]
    with open(image, "r+b") as device:
        device.seek(device.read().index(page))
        device.write(bytes([page[0] ^ 1]))
    assert read_file(path)[offset:offset + 4096] == page, "memory has it as it was"


def findings_of_fsck(store):
    done = store.cli("fsck", store.dir, "--key-file", store.key, "--json", check=False)
    assert done.returncode == LEFT, said(done)
    return [finding["text"] for finding in json.loads(done.stdout)["findings"]]


def test_decay_of_content_is_found_beneath_the_page_cache(store, scratch):
    pack = max(glob.glob(f"{store.dir}/packs/*/*.pack"), key=os.path.getsize)
    rot(pack, MiB, f"{scratch}/image")
    done = store.cli("scrub", store.dir, check=False)
    assert done.returncode == DAMAGED and "/films/clip.mp4: bytes" in said(done), said(done)
    store.umount()
    assert len(read_file(pack)) > 4 * MiB   # in memory, as if it were served
    assert findings_of_fsck(store)[0].startswith("/films/clip.mp4: ")
    done = store.cli("scrub", store.dir, "--keyless", check=False)
    assert done.returncode == DAMAGED, said(done)


def test_decay_of_the_catalog_is_found_beneath_the_page_cache(store, scratch):
    store.umount()
    rot(f"{store.dir}/catalog/catalog.db", 0, f"{scratch}/image")
    assert any("catalog page 1 " in text for text in findings_of_fsck(store))
