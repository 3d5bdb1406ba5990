"""The root of the mount holds containers and nothing else; what a mount shows and allows as a whole."""

import os
import subprocess

import pytest

from harness import STAND_IN, outcome, read_file, write_file


def test_root_holds_containers_only(store):
    first, second = store.container("first"), store.container("second")
    assert outcome(os.open, f"{store.path}/file", os.O_CREAT | os.O_WRONLY) == "EPERM"
    assert outcome(os.mkfifo, f"{store.path}/fifo") == "EPERM"
    assert outcome(os.symlink, "first", f"{store.path}/link") == "EPERM"
    write_file(f"{first}/f", b"content")
    os.mkdir(f"{first}/d")
    assert outcome(os.link, f"{first}/f", f"{store.path}/f") in ("EPERM", "EXDEV")
    assert outcome(os.rename, f"{first}/f", f"{second}/f") == "EXDEV"
    assert outcome(os.rename, f"{first}/d", f"{second}/d") == "EXDEV"
    assert outcome(os.link, f"{first}/f", f"{second}/f") == "EXDEV"
    assert outcome(os.rename, f"{first}/f", f"{store.path}/f") in ("EPERM", "EXDEV")
    assert outcome(os.rmdir, first) == "ENOTEMPTY"
    assert outcome(os.rmdir, second) is None
    assert os.listdir(store.path) == ["first"]
    subprocess.run(["mv", f"{first}/f", f"{store.container('third')}/f"], check=True)
    assert read_file(f"{store.path}/third/f") == b"content"


@pytest.mark.parametrize("name", ["with space", "dot.ted", "ümlaut", "a+b", "n" * 256, "a\nb"])
def test_illegal_container_names_are_refused(tree, name):
    if not STAND_IN:
        assert outcome(os.mkdir, f"{tree.path}/{name}") in ("EINVAL", "ENAMETOOLONG")
        assert outcome(os.stat, f"{tree.path}/{name}") in ("ENOENT", "ENAMETOOLONG")


@pytest.mark.parametrize("name", ["a", "n" * 255, "A-Z_09", "-x"])
def test_legal_container_names_are_taken(tree, name):
    os.mkdir(f"{tree.path}/{name}")
    write_file(f"{tree.path}/{name}/f", b"x")
    os.unlink(f"{tree.path}/{name}/f")
    os.rmdir(f"{tree.path}/{name}")


def test_one_container_can_be_the_root_of_the_mount(make_store):
    store = make_store().mount()
    write_file(f"{store.container('one')}/f", b"in one")
    write_file(f"{store.container('two')}/f", b"in two")
    store.umount()
    store.mount(options="container=two")
    assert os.listdir(store.path) == ["f"]
    assert read_file(f"{store.path}/f") == b"in two"
    write_file(f"{store.path}/plain", b"a plain file at this root")
    os.link(f"{store.path}/plain", f"{store.path}/linked")
    assert outcome(os.mkdir, f"{store.path}/with space") is None
    store.umount()


def test_a_name_known_to_be_absent_appears_when_another_door_makes_it(make_store):
    """The kernel keeps that a name is not there; who makes it elsewhere must tell."""
    store = make_store().mount()
    assert not os.path.exists(f"{store.path}/later")
    assert not os.path.exists(f"{store.path}/later")
    store.cli("container", "create", "later", "--store", store.dir, "--key-file", store.key)
    assert os.path.isdir(f"{store.path}/later")
    assert not os.path.exists(f"{store.path}/later/f")
    write_file(f"{store.path}/later/f", b"x")
    assert os.path.exists(f"{store.path}/later/f")
    os.unlink(f"{store.path}/later/f")
    assert not os.path.exists(f"{store.path}/later/f")
    store.cli("container", "delete", "later", "--store", store.dir, "--key-file", store.key)
    assert not os.path.exists(f"{store.path}/later")


def test_read_only_mount_refuses_changes(make_store):
    store = make_store().mount()
    write_file(f"{store.container()}/f", b"x")
    store.umount()
    store.mount(options="ro")
    assert read_file(f"{store.path}/media/f") == b"x"
    assert outcome(os.open, f"{store.path}/media/g", os.O_CREAT | os.O_WRONLY) == "EROFS"
    assert outcome(os.unlink, f"{store.path}/media/f") == "EROFS"
    store.umount()
