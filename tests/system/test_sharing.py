"""Files that share content, through the mount: cp costs no content, copies diverge, room comes back with the last."""

import os
import subprocess

import pytest

from harness import MiB, GiB, generator, note, pattern, read_file, run, scaled, shell, write_file


def pack_bytes(store):
    """Bytes of content in the store's packs, as files are long."""
    return sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(f"{store.dir}/packs") for name in names)


def metric(store, name):
    text = store.request("GET", "/metrics", http=store.admin)[2].decode()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def test_a_copy_costs_no_content_and_few_transactions(make_store):
    """How long it takes is measured by tools/bench (cp within)."""
    store = make_store().mount(admin=True)
    folder = store.container()
    size = scaled(256 * MiB, 5 * GiB, "bytes copied")
    shell(f"({generator(size)}) > {folder}/a")
    store.sync()
    before, transactions = pack_bytes(store), metric(store, "reelfs_catalog_transactions_total")
    run("cp", f"{folder}/a", f"{folder}/b")
    spent = metric(store, "reelfs_catalog_transactions_total") - transactions
    note(f"cp of {size} bytes: {spent:.0f} catalog transactions")
    assert pack_bytes(store) == before
    assert spent <= 10 + size / (256 * MiB)
    run("cmp", f"{folder}/a", f"{folder}/b")
    assert os.stat(f"{folder}/a").st_blocks == os.stat(f"{folder}/b").st_blocks
    store.umount()


@pytest.mark.parametrize("reflink", ["auto", "never"])
def test_cp_makes_copies_that_diverge(reflink, area, twin):
    """The same on ext4. FICLONE never reaches a FUSE file system; cp then asks for copy_file_range."""
    for d in (area, twin):
        write_file(f"{d}/a", pattern(1, 3 * MiB + 77))
        run("cp", f"--reflink={reflink}", f"{d}/a", f"{d}/b")
        run("cp", f"--reflink={reflink}", f"{d}/b", f"{d}/c")
        with open(f"{d}/b", "r+b") as file:
            file.seek(100_001)
            file.write(pattern(2, 50_000))
            file.truncate(2 * MiB + 5)
            file.seek(0, 2)
            file.write(pattern(3, 10_000))
        run("fallocate", "--punch-hole", "--offset", "5000", "--length", "100000", f"{d}/a")
    for name in "abc":
        assert read_file(f"{area}/{name}") == read_file(f"{twin}/{name}"), name


def test_ficlone_is_refused_and_cp_that_insists_says_so(area):
    write_file(f"{area}/a", pattern(1, 100_000))
    done = run("cp", "--reflink=always", f"{area}/a", f"{area}/b", check=False)
    assert done.returncode != 0 and b"clone" in done.stderr


@pytest.mark.parametrize("order", ["abc", "cab", "bca"])
def test_room_comes_back_with_the_last_copy(order, make_store):
    store = make_store().mount()
    folder = store.container()
    write_file(f"{folder}/a", pattern(4, 20 * MiB))
    run("cp", f"{folder}/a", f"{folder}/b")
    run("cp", f"{folder}/b", f"{folder}/c")
    for name in order[:2]:
        os.unlink(f"{folder}/{name}")
    store.umount()
    assert pack_bytes(store) >= 20 * MiB
    store.mount()
    assert read_file(f"{folder}/{order[2]}") == pattern(4, 20 * MiB)
    os.unlink(f"{folder}/{order[2]}")
    store.umount()
    store.mount()
    store.umount()
    assert pack_bytes(store) == 0


def test_rsync_into_a_copy_leaves_the_original(area):
    original, wanted = pattern(5, 8 * MiB), bytearray(pattern(5, 8 * MiB))
    wanted[3 * MiB:3 * MiB + 100_000] = pattern(6, 100_000)
    write_file(f"{area}/a", original)
    write_file(f"{area}/wanted", wanted)
    run("cp", f"{area}/a", f"{area}/b")
    run("rsync", "--inplace", "--no-whole-file", "--checksum", f"{area}/wanted", f"{area}/b")
    assert read_file(f"{area}/b") == wanted
    assert read_file(f"{area}/a") == original


def test_containers_do_not_share_and_cp_copies(make_store):
    store = make_store().mount()
    one, other = store.container("one"), store.container("other")
    write_file(f"{one}/a", pattern(7, 2 * MiB))
    run("cp", f"{one}/a", f"{other}/a")
    assert read_file(f"{other}/a") == pattern(7, 2 * MiB)
    store.umount()
    assert pack_bytes(store) >= 4 * MiB


def test_copies_survive_kill_and_hold_together_while_the_daemon_dies(make_store):
    """Killed while it copies, again and again: the original is whole, each copy a prefix of it, finished ones whole."""
    store = make_store().mount()
    folder = store.container()
    data = pattern(8, 12 * MiB)
    write_file(f"{folder}/a", data)
    finished = []
    for round_number in range(scaled(4, 40, "kills during copies")):
        script = (f"cd {folder} || exit; for i in $(seq 1000); do cp a copy-{round_number}-$i || exit; "
                  f"echo copy-{round_number}-$i; test $((i % 3)) = 0 && rm copy-{round_number}-$((i - 1)); done")
        worker = subprocess.Popen(["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(5 + round_number % 4):
            finished.append(worker.stdout.readline().decode().strip())
        store.kill()
        finished += worker.stdout.read().decode().split()
        worker.wait()
        store.mount()
        assert read_file(f"{folder}/a") == data
        left = set(os.listdir(folder)) - {"a"}
        for name in left:
            found = read_file(f"{folder}/{name}")
            assert data.startswith(found), name
            assert name not in finished or found == data, name
        for name in left:
            os.unlink(f"{folder}/{name}")
    os.unlink(f"{folder}/a")
    store.umount()
    store.mount()
    store.umount()
    assert pack_bytes(store) == 0
