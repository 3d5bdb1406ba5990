"""The Debian package: built, installed in place, used through mount(8), fstab and the unit, removed.

Needs root and changes the machine's package database while it runs; everything is put back, also
after a failure. When a reelfs package is installed already, the test refuses rather than replace it.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request

import pytest

import harness
from harness import detach, is_mounted, read_file, run, said, write_file

pytestmark = pytest.mark.needs_root   # it installs the package

BUILD = os.environ.get("REELFS_BUILD") or f"{harness.SOURCE}/build/release"
MAN_PAGES = ("/usr/share/man/man1/reelfs.1", "/usr/share/man/man5/reelfs-format.5",
             "/usr/share/man/man7/reelfs-cdn.7", "/usr/share/man/man7/reelfs-http.7",
             "/usr/share/man/man7/reelfs-live.7")
FSTAB = "/etc/fstab"


def installed():
    done = run("dpkg-query", "-W", "-f", "${db:Status-Status}", "reelfs", check=False)
    return done.stdout == b"installed"


def system_user_is_known():
    return run("getent", "passwd", "reelfs", check=False).returncode == 0


@pytest.fixture(scope="module", autouse=True)
def system_user():
    """The package makes the user reelfs and leaves it; here it goes again if it was not there before."""
    before = system_user_is_known()
    yield
    if not before and system_user_is_known():
        run("userdel", "reelfs")


@pytest.fixture(scope="module")
def package(module_scratch):
    """The package, built from this tree's binary."""
    run("cpack", "-G", "DEB", "--config", f"{BUILD}/CPackConfig.cmake", "-B", module_scratch, timeout=900)
    found = [name for name in os.listdir(module_scratch) if name.endswith(".deb")]
    assert len(found) == 1, found
    return f"{module_scratch}/{found[0]}"


@pytest.fixture(scope="module")
def in_place(package):
    """The package, installed; removed afterwards."""
    assert not installed(), "a reelfs package is installed; remove it first: apt-get remove reelfs"
    run("dpkg", "-i", package)
    yield
    run("dpkg", "--purge", "reelfs", check=False)


@pytest.fixture
def place(scratch):
    """A store made by the installed program, and a mountpoint, in a path with spaces."""
    class Place:
        base = f"{scratch}/a place"
        store = f"{base}/the store"
        mount = f"{base}/the mount"
        key = f"{base}/store.key"
        env = harness.environment(f"{scratch}/home")

    os.makedirs(Place.mount)
    done = run("/usr/bin/reelfs", "init", Place.store, "--key-file", Place.key, env=Place.env)
    assert "Recovery key" in said(done)
    yield Place
    run("/usr/bin/reelfs", "umount", "--force", Place.mount, env=Place.env, check=False)
    detach(Place.mount)


@pytest.fixture
def fstab():
    """Appends a line; the file is put back as it was."""
    before = read_file(FSTAB) if os.path.exists(FSTAB) else None

    def add(line):
        write_file(FSTAB, (before or b"") + f"\n{line}\n".encode())

    yield add
    if before is None:
        os.unlink(FSTAB)
    else:
        write_file(FSTAB, before)


def escaped(path):
    return path.replace(" ", "\\040")


def test_the_package_says_what_it_needs_and_holds(package):
    control = said(run("dpkg-deb", "-f", package))
    assert re.search(r"^Version: " + re.escape(read_file(f"{harness.SOURCE}/VERSION").decode().strip()), control,
                     re.MULTILINE)
    assert re.search(r"^Depends: .*fuse3", control, re.MULTILINE)
    assert re.search(r"^Depends: .*libc6", control, re.MULTILINE), "the libraries it is linked to"
    listing = said(run("dpkg-deb", "-c", package))
    for name in ("./usr/bin/reelfs", "./usr/sbin/mount.fuse.reelfs -> ", "./usr/lib/systemd/system/reelfs@.service",
                 "./usr/share/doc/reelfs/copyright", "./usr/share/man/man1/reelfs.1"):
        assert name in listing, name
    assert not re.search(r" \./(lib|sbin|bin|usr/local)/", listing)


def test_installed_program_and_manual(in_place):
    assert "reelfs" in said(run("/usr/bin/reelfs", "version"))
    for page in MAN_PAGES:
        assert os.path.exists(page), page
        assert "WARNING" not in said(run("mandoc", "-T", "lint", "-W", "warning", page, check=False))


def test_stores_of_roots_are_the_system_users(in_place, place):
    """The package makes the user; init finds it; the daemon runs as it."""
    uid = int(run("id", "-u", "reelfs").stdout)
    assert uid < 1000 and said(run("getent", "passwd", "reelfs")).strip().endswith("/usr/sbin/nologin")
    assert os.stat(place.store).st_uid == os.stat(f"{place.store}/keyring").st_uid == uid
    assert os.stat(place.key).st_uid == 0
    done = run("/usr/bin/reelfs", "mount", place.store, place.mount, "--key-file", place.key, "--json", env=place.env)
    rights = read_file(f"/proc/{json.loads(done.stdout)['pid']}/status").decode()
    assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in rights and f"CapEff:\t{0:016x}\n" in rights
    run("/usr/bin/reelfs", "umount", place.mount, env=place.env)
    assert os.stat("/var/lib/reelfs").st_mode & 0o001, "a place that the user can reach"


def test_mount_by_type(in_place, place):
    """mount -t fuse.reelfs STORE MOUNTPOINT, and umount(8)."""
    run("mount", "-t", "fuse.reelfs", "-o", f"allow_other,noatime,key-file={place.key}", place.store, place.mount,
        env=place.env)
    assert is_mounted(place.mount)
    os.mkdir(f"{place.mount}/films")
    write_file(f"{place.mount}/films/f", b"bytes")
    run("umount", place.mount)
    assert not is_mounted(place.mount)
    # The daemon may still be closing the store: the next mount waits for it.
    run("mount", "-t", "fuse.reelfs", "-o", f"ro,container=films,key-file={place.key}", place.store, place.mount,
        env=place.env)
    assert read_file(f"{place.mount}/f") == b"bytes"
    with pytest.raises(OSError):
        write_file(f"{place.mount}/g", b"")
    run("/usr/bin/reelfs", "umount", place.mount, env=place.env)


def test_mount_by_type_refuses_unknown_words_by_name(in_place, place):
    done = run("mount", "-t", "fuse.reelfs", "-o", f"bogus,key-file={place.key}", place.store, place.mount,
               env=place.env, check=False)
    assert done.returncode != 0 and "bogus" in said(done)
    assert not is_mounted(place.mount)
    run("mount", "-s", "-t", "fuse.reelfs", "-o", f"bogus,key-file={place.key}", place.store, place.mount,
        env=place.env)
    assert is_mounted(place.mount), "mount -s ignores unknown words"
    run("/usr/bin/reelfs", "umount", place.mount, env=place.env)


def test_fstab(in_place, place, fstab):
    """A line as the manual shows it, with spaces in both paths, and HTTP."""
    options = f"defaults,nofail,_netdev,x-systemd.requires=network.target,http=127.0.0.1:0,key-file={place.key}"
    fstab(f"{escaped(place.store)} {escaped(place.mount)} fuse.reelfs {escaped(options)} 0 0")
    run("mount", place.mount, env=place.env)
    assert is_mounted(place.mount)
    os.mkdir(f"{place.mount}/films")
    write_file(f"{place.mount}/films/f", b"over http")
    status = said(run("/usr/bin/reelfs", "status", place.store, "--json", env=place.env))
    address = re.search(r'"http": *"([^"]+)"', status)[1]
    with urllib.request.urlopen(f"http://{address}/films/f", timeout=10) as answer:
        assert answer.read() == b"over http"
    run("umount", place.mount)
    assert not is_mounted(place.mount)


def test_unit_is_valid(in_place, scratch):
    """systemd's own check of the unit, with a configuration in place."""
    unit = "/usr/lib/systemd/system/reelfs@.service"
    shutil.copy(unit, f"{scratch}/reelfs@one.service")
    done = run("systemd-analyze", "verify", "--man=no", f"{scratch}/reelfs@one.service", check=False,
               env=dict(os.environ, SYSTEMD_LOG_LEVEL="warning"))
    complaints = [line for line in said(done).splitlines() if "reelfs@" in line]
    assert not complaints, said(done)
    text = read_file(unit).decode()
    assert not re.search(r"^(Protect(System|Home|Kernel\w+|ControlGroups|Proc)|Private\w+|ReadWritePaths)=", text,
                         re.MULTILINE), "a mount name space of its own: nobody else would see the mount"


def unit_settings(name):
    text = read_file("/usr/lib/systemd/system/reelfs@.service").decode()
    return " ".join(re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)).split()


def test_what_the_unit_takes_away_is_not_needed(in_place, place):
    """Mounted with the capabilities that the unit leaves and no_new_privs, under a tracer that writes down system
    calls: all are among those the unit allows."""
    left = ["+" + name.removeprefix("CAP_").lower() for name in unit_settings("CapabilityBoundingSet")]
    assert unit_settings("NoNewPrivileges") == ["yes"] and len(left) == 8
    trace = f"{place.base}/trace"
    command = ["setpriv", "--bounding-set", ",".join(["-all"] + left), "--inh-caps", "-all", "--no-new-privs",
               "strace", "-f", "-q", "-e", "signal=none", "-e", "abbrev=all", "-s", "0", "-o", trace,
               "/usr/bin/reelfs", "mount", place.store, place.mount, "--foreground",
               "-o", f"allow_other,http=127.0.0.1:0,key-file={place.key}"]
    with open(f"{place.base}/log", "ab") as log:
        tracer = subprocess.Popen(command, env=place.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            harness.wait_until(lambda: is_mounted(place.mount) or tracer.poll() is not None, 60, "it is mounted")
            os.mkdir(f"{place.mount}/films")
            write_file(f"{place.mount}/films/f", b"x" * 1_000_000)
            status = json.loads(run("/usr/bin/reelfs", "status", place.store, "--json", env=place.env).stdout)
            urllib.request.urlopen(f"http://{status['http']}/films/f", timeout=30).read()
            os.unlink(f"{place.mount}/films/f")
            os.kill(status["pid"], signal.SIGTERM)   # the keeper unmounts
            assert tracer.wait(60) == 0, read_file(f"{place.base}/log")
        finally:
            if tracer.poll() is None:
                tracer.terminate()
                tracer.wait()
    called = set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", read_file(trace).decode(), re.MULTILINE))
    assert {"mount", "umount2", "setresuid", "capset"} <= called
    allowed = set()
    waiting = unit_settings("SystemCallFilter")
    assert "@system-service" in waiting
    while waiting:
        for word in said(run("systemd-analyze", "syscall-filter", waiting.pop())).split("\n")[1:]:
            word = word.strip()
            if word.startswith("@"):
                waiting.append(word)
            elif word and not word.startswith("#"):
                allowed.add(word)
    assert called - allowed == set(), "the unit would refuse these"
    sockets = set(re.findall(r"socket\((AF_\w+)", read_file(trace).decode()))
    assert sockets <= set(unit_settings("RestrictAddressFamilies"))


def test_unit_commands_work(in_place, place):
    """What the unit runs, run by hand as systemd does: start (with readiness told), crash, clean-up, stop."""
    import socket
    told = f"{place.base}/notify"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(told)
    os.chmod(told, 0o777)   # as systemd's own: the daemon is the store's owner by the time it is ready
    listener.settimeout(30)
    env = dict(place.env, STORE=place.store, MOUNTPOINT=place.mount, NOTIFY_SOCKET=told)
    command = ["/usr/bin/reelfs", "mount", place.store, place.mount, "--foreground", "-o",
               f"allow_other,key-file={place.key}"]
    unit = read_file("/usr/lib/systemd/system/reelfs@.service").decode()
    cleanup = re.search(r"^ExecStopPost=-(/bin/sh -c) '(.*)'$", unit, re.MULTILINE)
    with open(f"{place.base}/log", "ab") as log:
        daemon = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            assert listener.recv(100) == b"READY=1"
            assert is_mounted(place.mount)
            daemon.kill()
            daemon.wait()
            run("/bin/sh", "-c", cleanup[2], env=env)
            assert not is_mounted(place.mount)
            daemon = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            assert listener.recv(100) == b"READY=1"
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(30) == 0
            assert listener.recv(100) == b"STOPPING=1"
            assert not is_mounted(place.mount)
        finally:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait()
            listener.close()


def test_removal_leaves_stores_and_keys(package, place_after_removal):
    """Taking the package away takes the program away, and nothing else."""
    store, key = place_after_removal
    assert not os.path.exists("/usr/bin/reelfs") and not os.path.islink("/usr/sbin/mount.fuse.reelfs")
    assert os.path.exists(f"{store}/keyring") and os.path.exists(key)


@pytest.fixture
def place_after_removal(package, scratch):
    if not installed():
        run("dpkg", "-i", package)
    store, key = f"{scratch}/store", f"{scratch}/key"
    run("/usr/bin/reelfs", "init", store, "--key-file", key, env=harness.environment(f"{scratch}/home"))
    run("dpkg", "--remove", "reelfs")
    yield store, key
