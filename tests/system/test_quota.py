"""Quotas of containers through every door: set by the command, told by df, refused with EDQUOT and 507."""

import errno
import json
import os

import pytest

from harness import MiB, pattern, run, said, wait_until, write_file

KiB = 1 << 10


def describe(store, name="media"):
    done = store.cli("container", "describe", name, "--store", store.dir, "--key-file", store.key, "--json")
    return json.loads(done.stdout)


def limit(store, *options, name="media", check=True):
    return store.cli("container", "quota", name, *options, "--store", store.dir, "--key-file", store.key, check=check)


def token(store):
    made = store.cli("token", "create", "--container", "media", "--actions", "put", "--expires", "1h", "--json",
                     "--store", store.dir, "--key-file", store.key)
    return json.loads(made.stdout)["Token"]


def put(store, target, bearer, data, chunked=False):
    """(status, body) by curl, which reads an answer that comes before its body has gone."""
    source = f"{store.base}/body"
    write_file(source, data)
    done = run("curl", "-s", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {bearer}",
               *(["-H", "Transfer-Encoding: chunked"] if chunked else []), "-T", source, f"http://{store.http}{target}",
               check=False)
    body, _, status = done.stdout.rpartition(b"\n")
    return int(status), body


@pytest.fixture
def limited(store):
    store.container()
    limit(store, "--bytes", "1M", "--objects", "5")
    return store


def test_a_quota_is_set_told_kept_and_taken_away(make_store):
    store = make_store().mount()
    folder = store.container()
    assert describe(store)["quota_bytes"] is None
    limit(store, "--bytes", "10M", "--objects", "7")
    write_file(f"{folder}/a", pattern(1, 64 * KiB))
    told = describe(store)
    assert (told["quota_bytes"], told["quota_objects"]) == (10 * MiB, 7)
    assert (told["used_bytes"], told["used_objects"]) == (64 * KiB, 1)
    store.umount()
    limit(store, "--bytes", "none")   # without a daemon
    assert describe(store)["quota_bytes"] is None and describe(store)["quota_objects"] == 7
    assert b"say --bytes" in limit(store, check=False).stderr
    assert limit(store, "--bytes", "much", check=False).returncode != 0
    assert b"no container" in limit(store, "--bytes", "1G", name="other", check=False).stderr


def test_the_write_that_crosses_it_is_refused_and_the_rest_stays(limited):
    folder = limited.container()
    fd = os.open(f"{folder}/f", os.O_CREAT | os.O_RDWR)
    assert os.write(fd, pattern(2, MiB)) == MiB
    with pytest.raises(OSError) as refused:
        os.write(fd, b"x")
    assert refused.value.errno == errno.EDQUOT
    assert os.pwrite(fd, b"y" * 5_000, 1_000) == 5_000   # in place
    with pytest.raises(OSError) as refused:
        os.posix_fallocate(fd, 0, 2 * MiB)
    assert refused.value.errno == errno.EDQUOT
    os.close(fd)
    assert os.path.getsize(f"{folder}/f") == MiB
    other = limited.container("other")
    write_file(f"{other}/f", pattern(3, 3 * MiB))
    os.unlink(f"{folder}/f")
    write_file(f"{folder}/g", pattern(2, MiB))


def test_a_copy_counts_though_it_shares(limited):
    folder = limited.container()
    write_file(f"{folder}/a", pattern(4, 700 * KiB))
    done = run("cp", f"{folder}/a", f"{folder}/b", check=False)
    assert done.returncode != 0 and b"quota" in said(done).lower().encode()


def test_the_object_that_crosses_it_is_refused(limited):
    folder = limited.container()
    os.mkdir(f"{folder}/d")
    for name in "abcd":
        write_file(f"{folder}/d/{name}", b"")
    os.link(f"{folder}/d/a", f"{folder}/d/again")
    for make in (lambda: write_file(f"{folder}/x", b""), lambda: os.mkdir(f"{folder}/x"),
                 lambda: os.symlink("a", f"{folder}/x"), lambda: os.mkfifo(f"{folder}/x")):
        with pytest.raises(OSError) as refused:
            make()
        assert refused.value.errno == errno.EDQUOT
    os.unlink(f"{folder}/d/b")
    write_file(f"{folder}/x", b"")


def test_df_shows_what_it_leaves(make_store):
    store = make_store().mount()
    folder, other = store.container(), store.container("other")
    limit(store, "--bytes", "8M", "--objects", "100")
    os.mkdir(f"{folder}/d")
    write_file(f"{folder}/d/f", pattern(5, 3 * MiB))

    def df(path):
        found = os.statvfs(path)
        return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, found.f_files, found.f_favail
    assert df(f"{folder}/d") == (8 * MiB, 5 * MiB, 100, 98)
    assert df(other) == df(store.path) != df(folder)
    store.umount()
    store.mount(options="container=media")
    assert df(store.path) == (8 * MiB, 5 * MiB, 100, 98)
    store.umount()


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_an_upload_over_it_is_507_and_leaves_nothing(chunked, limited):
    bearer = token(limited)
    folder = limited.container()
    assert put(limited, "/media/d/a", bearer, pattern(6, 600 * KiB), chunked)[0] == 200
    before = describe(limited)
    status, answer = put(limited, "/media/new/b", bearer, pattern(7, 600 * KiB), chunked)
    assert status == 507 and b"quota" in answer
    assert os.listdir(folder) == ["d"] and os.listdir(f"{folder}/d") == ["a"]
    wait_until(lambda: describe(limited) == before, 20, "what the upload had written is given back")
    assert put(limited, "/media/d/a", bearer, pattern(8, 300 * KiB), chunked)[0] == 200
    limit(limited, "--objects", "2")
    assert put(limited, "/media/d/b", bearer, b"x", chunked)[0] == 507
    assert put(limited, "/media/d/a", bearer, b"x", chunked)[0] == 200
    assert limited.get(f"{folder}/d/a")[2] == b"x"


def test_usage_is_exact_after_kill(make_store):
    store = make_store().mount()
    folder = store.container()
    limit(store, "--bytes", "50M")
    for number in range(20):
        write_file(f"{folder}/{number}", pattern(number, 100_000 + number))
    run("cp", f"{folder}/1", f"{folder}/copy")
    for number in range(0, 20, 3):
        os.unlink(f"{folder}/{number}")
    store.kill()
    store.mount()
    total = sum(os.stat(f"{folder}/{name}").st_blocks * 512 for name in os.listdir(folder))
    told = describe(store)
    assert (told["used_bytes"], told["used_objects"]) == (total, len(os.listdir(folder)))
    store.umount()
