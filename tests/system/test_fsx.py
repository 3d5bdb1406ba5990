"""Random operations on files, a million in each mode at full scale: our own program (random_file.cc), and the public
fsx when REELFS_FSX names a built copy of it (its source is not part of the project; the one of xfstests' ltp/ is known
to work):

    REELFS_FSX=/path/to/fsx python3 -m pytest -s tests/system/test_fsx.py
"""

import os

import pytest

from harness import note, run, said, scaled, seeded

HERE = os.path.dirname(os.path.abspath(__file__))
FSX = os.environ.get("REELFS_FSX")


@pytest.fixture(scope="module")
def random_file(module_scratch):
    program = f"{module_scratch}/random_file"
    run("c++", "-std=c++20", "-O1", "-Wall", "-Wextra", "-o", program, f"{HERE}/random_file.cc")
    return program


def test_the_program_agrees_with_ext4(random_file, twin):
    """What finds a difference must not find one where there is none."""
    _, seed = seeded("random_file on ext4")
    run(random_file, twin, str(seed), "2000")
    if not FSX:
        note("fsx: not asked for (REELFS_FSX names a built copy)")


@pytest.mark.parametrize("mode", ["buffered", "direct", "sync"])
def test_files_hold_what_random_operations_left(mode, random_file, area):
    _, seed = seeded(f"random_file, {mode}")
    ci = 10_000 if mode != "sync" else 3_000
    count = scaled(ci, 1_000_000, f"operations, {mode}")
    done = run(random_file, area, str(seed), str(count), mode, timeout=7200)
    assert b"operations" in done.stdout


def test_and_still_hold_it_in_a_mount_of_one_container(random_file, make_store):
    store = make_store().mount()
    store.container("one")
    store.umount()
    store.mount(options="container=one")
    _, seed = seeded("random_file, one container")
    count = scaled(5_000, 1_000_000, "operations, one container")
    run(random_file, store.path, str(seed), str(count), timeout=7200)
    store.umount()


if FSX:
    @pytest.mark.parametrize("options", [[], ["-W", "-R"], ["-Z", "-r", "4096", "-w", "4096"]],
                             ids=["all", "without mmap", "direct"])
    def test_the_public_fsx_runs_clean(options, area):
        count = scaled(100_000, 1_000_000, "operations of fsx")
        done = run(FSX, "-q", "-N", str(count), *options, f"{area}/fsx", timeout=7200)
        assert "ok" in said(done).lower()
