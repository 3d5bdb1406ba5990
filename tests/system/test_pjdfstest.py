"""The POSIX test suite pjdfstest, whole, on a mount of one container. It is not part of the project: to run it, build a
copy of github.com/pjd/pjdfstest (autoreconf -ifs && ./configure && make pjdfstest) and name its folder:

    sudo REELFS_PJDFSTEST=/path/to/pjdfstest python3 -m pytest -s tests/system/test_pjdfstest.py

Without the variable there is only the test that the harness finds such a copy."""

import os
import re

import pytest

from harness import note, run

SUITE = os.environ.get("REELFS_PJDFSTEST")


def missing_from(suite):
    """What keeps a folder from being a built copy of the suite."""
    return [name for name in ("pjdfstest", "tests/conf", "tests/misc.sh", "tests/chmod/00.t")
            if not os.path.isfile(f"{suite}/{name}")]


def test_a_folder_without_the_suite_is_told_from_one_with_it(scratch):
    assert missing_from(scratch) == ["pjdfstest", "tests/conf", "tests/misc.sh", "tests/chmod/00.t"]
    if SUITE:
        assert not missing_from(SUITE), "REELFS_PJDFSTEST must name a built copy"
    else:
        note("pjdfstest: not asked for (REELFS_PJDFSTEST names a built copy)")


if SUITE:
    @pytest.mark.needs_root
    @pytest.mark.parametrize("options", ["container=suite,dev,suid,allow_other", "container=suite,dev,suid,allow_other,acl"],
                             ids=["without acl", "with acl"])
    def test_every_assertion_of_pjdfstest_holds(options, make_store):
        store = make_store()
        os.chmod(os.path.dirname(store.base), 0o755)   # the suite's users come through here
        store.mount()
        store.container("suite")
        store.umount()
        store.mount(options=options)
        os.chmod(store.path, 0o755)
        done = run("prove", "-r", "-j2", "--nocolor", f"{os.path.abspath(SUITE)}/tests", cwd=store.path, check=False, timeout=3600,
                   env=dict(store.env, LC_ALL="C"))
        told = done.stdout.decode(errors="replace")
        summary = told[told.find("Test Summary Report"):] if "Test Summary Report" in told else ""
        note("pjdfstest: " + " | ".join(line for line in told.splitlines() if re.match("Files=|Result:", line)))
        assert done.returncode == 0 and "Result: PASS" in told, summary[-8000:]
        assert store.alive()
