"""Fixtures of the system tests. See harness.py for the environment variables."""

import itertools
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402

numbers = itertools.count()


def pytest_configure(config):
    # A terminated run cleans up like one that failed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    config.addinivalue_line("markers", "needs_root: installs, makes file systems, or becomes other users")
    config.addinivalue_line("markers", "more_as_root: tries as root what nobody else may, too")


def pytest_collection_modifyitems(config, items):
    """An ordinary user runs what he may; tools/test then runs the others with sudo (REELFS_TESTS_OF_ROOT=only)."""
    if os.geteuid() != 0:
        others = [item for item in items if item.get_closest_marker("needs_root")]
    elif os.environ.get("REELFS_TESTS_OF_ROOT") == "only":
        others = [item for item in items
                  if not (item.get_closest_marker("needs_root") or item.get_closest_marker("more_as_root"))]
    else:
        return
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def pytest_sessionfinish(session, exitstatus):
    # A file of which every test needs root has nothing for an ordinary user.
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and os.geteuid() != 0:
        harness.note("tests that need root: all of this file; sudo tools/test, or tools/test with sudo at hand, runs them")
        session.exitstatus = pytest.ExitCode.OK


def pytest_terminal_summary(terminalreporter):
    for line in harness.notes:
        terminalreporter.write_line(line)


@pytest.fixture
def scratch():
    """A directory of this test on a real disk."""
    path = harness.scratch()
    yield path
    harness.discard(path)


@pytest.fixture(scope="module")
def module_scratch():
    path = harness.scratch()
    yield path
    harness.discard(path)


@pytest.fixture
def make_store(scratch):
    """Makes stores that are ended with the test."""
    made = []

    def make(name="one", **options):
        base = f"{scratch}/{name}"
        os.makedirs(base, exist_ok=True)
        made.append(harness.Store(base, **options))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store):
    """A fresh store, mounted, with HTTP."""
    return make_store().mount()


@pytest.fixture(scope="module")
def tree(module_scratch):
    """One mount for the tests of a file, or a plain directory with REELFS_STAND_IN=1."""
    base = f"{module_scratch}/tree"
    os.makedirs(base)
    made = harness.Plain(base) if harness.STAND_IN else harness.Store(base)
    try:
        yield made.mount(options="dev,suid,allow_other" if os.geteuid() == 0 else "")
    finally:
        made.close()


@pytest.fixture
def area(tree, request):
    """An empty folder of this test inside a container of the shared mount."""
    path = f"{tree.container()}/{request.node.name[:80]}-{next(numbers)}"
    os.mkdir(path)
    return path


@pytest.fixture
def twin(scratch):
    """The same on the file system everyone trusts."""
    path = f"{scratch}/twin"
    os.mkdir(path)
    return path


@pytest.fixture(scope="module")
def served(tree):
    """A mount with one finished file, served."""
    folder = tree.container("films")
    tree.film, tree.bytes = f"{folder}/a.mp4", harness.pattern(1, harness.FILM_SIZE)
    harness.write_file(tree.film, tree.bytes)
    headers = tree.published(tree.film)
    tree.etag, tree.modified = headers["etag"], headers["last-modified"]
    return tree
