"""tools/up, as root with its paths under a prefix, and as an ordinary user: first run, second run, dead mount, a
store whose key is gone, a taken port, --down, --purge."""

import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.request

import pytest

import harness
from harness import BIN, SOURCE, detach, is_mounted, read_file, run, said, write_file

UP = f"{SOURCE}/tools/up"


class Up:
    """tools/up with places of its own."""

    def __init__(self, base):
        self.base = f"{base}/a prefix"
        os.makedirs(self.base)
        self.env = harness.environment(f"{base}/home")
        self.env.update(REELFS_BIN=BIN, REELFS_PREFIX=self.base)
        for name in ("SUDO_USER", "SUDO_UID", "SUDO_GID"):
            self.env.pop(name, None)
        if os.geteuid() == 0:
            self.store = f"{self.base}/var/lib/reelfs/default"
            self.mount = f"{self.base}/srv/reelfs"
            self.settings = f"{self.base}/etc/reelfs/up.conf"
        else:
            assert os.access("/dev/fuse", os.R_OK | os.W_OK), "/dev/fuse is closed to this user: run as root"
            self.store = f"{base}/home/.local/share/reelfs/default"
            self.mount = f"{base}/home/reelfs"
            self.settings = f"{base}/home/.config/reelfs/up.conf"

    def __call__(self, *arguments, check=True, env=None, answer=b""):
        return subprocess_said(UP, *arguments, env=dict(self.env, **(env or {})), check=check, answer=answer)

    def setting(self, name):
        return re.search(rf"^{name}=(.*)$", read_file(self.settings).decode(), re.MULTILINE)[1]

    def pid(self):
        return int(re.search(r'"pid": *(\d+)', said(run(BIN, "status", self.store, "--json", env=self.env)))[1])


def subprocess_said(*command, env, check, answer):
    done = subprocess.run(command, env=env, input=answer, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=300)
    text = done.stdout.decode(errors="replace")
    assert (done.returncode == 0) == check, f"{command}: exit {done.returncode}\n{text}"
    return text


@pytest.fixture(scope="module", autouse=True)
def system_user():
    """As root tools/up makes the user reelfs; it goes again if it was not there before."""
    def known():
        return run("getent", "passwd", "reelfs", check=False).returncode == 0

    before = known()
    yield
    if os.geteuid() == 0 and not before and known():
        run("userdel", "reelfs")


@pytest.fixture
def up(scratch):
    made = Up(scratch)
    yield made
    run(BIN, "umount", "--force", made.mount, env=made.env, check=False)
    detach(made.mount)


def test_first_run_gives_a_mounted_tree_and_a_served_url(up):
    text = up()
    assert is_mounted(up.mount)
    key = up.setting("key")
    assert key in text and os.stat(key).st_mode & 0o777 == 0o600 and not key.startswith(up.store)
    for word in ("Recovery", "lost", "cp ", "curl ", "ffplay ", "tail -f", "--down", "Reboot", up.mount):
        assert word in text, word
    port = int(up.setting("port"))
    assert 8787 <= port <= 8796
    write_file(f"{up.mount}/media/clip.mp4", b"clip")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/media/clip.mp4", timeout=10) as answer:
        assert answer.read() == b"clip"


@pytest.mark.needs_root
def test_as_root_store_and_daemon_belong_to_the_system_user(up):
    up()
    uid, gid = (int(run("id", flag, "reelfs").stdout) for flag in ("-u", "-g"))
    assert uid < 1000, "a system user"
    assert os.stat(up.store).st_uid == os.stat(f"{up.store}/keyring").st_uid == uid
    assert os.stat(up.setting("key")).st_uid == 0
    rights = read_file(f"/proc/{up.pid()}/status").decode()
    assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in rights and f"Gid:\t{gid}\t{gid}\t{gid}\t{gid}\n" in rights
    assert f"CapEff:\t{0:016x}\n" in rights and "NoNewPrivs:\t1\n" in rights
    write_file(f"{up.mount}/media/f", b"by root")
    assert os.stat(f"{up.mount}/media/f").st_uid == 0, "files are whose they are all the same"


@pytest.mark.needs_root
def test_under_sudo_the_top_folder_is_the_callers_and_the_store_is_not(up):
    up(env={"SUDO_USER": "daemon"})
    assert os.stat(up.mount).st_uid == os.stat(f"{up.mount}/media").st_uid == 1
    assert os.stat(up.store).st_uid == int(run("id", "-u", "reelfs").stdout)
    run("setpriv", "--reuid", "1", "--regid", "1", "--clear-groups", "cp", "/etc/passwd", f"{up.mount}/media/f")
    assert os.stat(f"{up.mount}/media/f").st_uid == 1


def test_second_run_is_harmless_and_says_the_same(up):
    first = up()
    pid = up.pid()
    second = up()
    assert up.pid() == pid, "the same daemon"
    without_recovery = [line for line in first.splitlines() if line not in second.splitlines()]
    recovery_key = re.search(r"([0-9A-Z]{4}-){13}[0-9A-Z]{4}", first)[0]
    assert all(re.search(f"Recovery|Shown once|making a store|{recovery_key}", line)
               for line in without_recovery if line.strip()), without_recovery
    assert recovery_key not in second, "the recovery key is shown at the first run only"


def test_a_first_run_that_fails_later_has_shown_the_recovery_key(up):
    """The store stays, and its recovery key cannot be had again."""
    os.makedirs(os.path.dirname(up.mount), exist_ok=True)
    os.symlink("/proc/self/nowhere", up.mount)   # mkdir -p fails
    text = up(check=False)
    assert os.path.exists(f"{up.store}/keyring"), text
    assert re.search(r"([0-9A-Z]{4}-){13}[0-9A-Z]{4}", text)
    os.unlink(up.mount)
    assert is_mounted(up.mount) or "reelfs is running" in up()
    assert os.path.isdir(f"{up.mount}/media"), "the first folder is made by the run that mounts"


def test_a_mountpoint_with_something_in_it_stops_before_anything_is_made(up):
    """A checkout in ~/reelfs, say."""
    os.makedirs(up.mount)
    write_file(f"{up.mount}/CMakeLists.txt", b"")
    text = up(check=False)
    assert "not empty" in text and not os.path.exists(f"{up.store}/keyring")


def test_down_and_up_again_keep_store_and_port(up):
    up()
    write_file(f"{up.mount}/media/f", b"kept")
    port, identity = up.setting("port"), up.setting("id")
    up("--down")
    assert not is_mounted(up.mount)
    up("--down")  # harmless
    up()
    assert (up.setting("port"), up.setting("id")) == (port, identity)
    assert read_file(f"{up.mount}/media/f") == b"kept"


def test_dead_mount_is_cleared(up):
    up()
    write_file(f"{up.mount}/media/f", b"kept")
    os.kill(up.pid(), signal.SIGKILL)
    harness.wait_until(lambda: harness.outcome(os.listdir, up.mount) == "ENOTCONN", 10, "the mount is dead")
    text = up()
    assert "dead mount" in text and read_file(f"{up.mount}/media/f") == b"kept"


def test_store_without_its_key_stops_and_is_never_made_anew(up):
    up()
    up("--down")
    key = up.setting("key")
    os.rename(key, f"{key}.away")
    keyring = read_file(f"{up.store}/keyring")
    text = up(check=False)
    assert key in text and "recovery" in text
    assert read_file(f"{up.store}/keyring") == keyring and not is_mounted(up.mount)
    os.rename(f"{key}.away", key)
    up()


def test_port_that_was_chosen_is_kept_and_its_holder_named(up):
    up()
    up("--down")
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", int(up.setting("port"))))
        holder.listen()
        text = up(check=False)
        assert str(os.getpid()) in text and up.setting("port") in text
    up()


def test_first_free_port_is_taken_at_the_first_run(up):
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", 8787))
            holder.listen()
        except OSError:
            pass  # somebody else holds it: as good
        up()
        assert 8788 <= int(up.setting("port")) <= 8796


def test_purge_asks_for_the_name_and_deletes_store_and_key(up):
    up()
    key = up.setting("key")
    up("--purge", check=False, answer=b"yes\n")
    assert os.path.exists(f"{up.store}/keyring") and os.path.exists(key) and is_mounted(up.mount)
    up("--purge", answer=b"default\n")
    assert not os.path.exists(up.store) and not os.path.exists(key) and not is_mounted(up.mount)
    assert not os.path.exists(up.settings)


def test_a_folder_that_is_no_store_is_left_alone(up):
    os.makedirs(up.store)
    write_file(f"{up.store}/somebody's", b"file")
    text = up(check=False)
    assert "left alone" in text and os.listdir(up.store) == ["somebody's"]


def test_unknown_arguments_and_help(up):
    assert "--bogus" in up("--bogus", check=False)
    assert "--purge" in up("--help")
    assert not os.path.exists(up.store)


def hidden_fuse(up, script):
    """Runs tools/up where /dev/fuse is different, in a mount name space of its own."""
    done = run("unshare", "--mount", "--propagation", "private", "bash", "-c", f"{script}; exec '{UP}'", env=up.env,
               check=False)
    assert done.returncode != 0
    return said(done)


@pytest.mark.needs_root
def test_without_fuse_it_stops_and_prints_the_fix(up):
    text = hidden_fuse(up, "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && ln -s /proc/self/fd /dev/fd")
    assert "--device /dev/fuse" in text and "modprobe" in text
    assert not os.path.exists(up.store)


# As an ordinary user, with a private /dev/fuse this user may open.
ORDINARY = """
set -eu
mount -t tmpfs none "$BASE/dev"
mknod -m 666 "$BASE/dev/fuse" c 10 229
mount --bind "$BASE/dev/fuse" /dev/fuse
exec setpriv --reuid 65534 --regid 65534 --clear-groups bash -euc '
    trap "\\"$UP\\" --down >/dev/null 2>&1 || true" EXIT
    "$UP"
    stat -c "owner %u" "$HOME/reelfs/media"
    echo hello >"$HOME/reelfs/media/f"
    "$UP" >/dev/null
    cat "$HOME/reelfs/media/f"
    ls "$HOME/.config/reelfs"
    "$UP" --down
    echo default | "$UP" --purge
    echo all done
'
"""


@pytest.mark.needs_root
def test_an_ordinary_user_needs_no_root(scratch):
    os.chmod(scratch, 0o755)
    base = f"{scratch}/somebody's home"
    for name in ("", "/dev", "/home", "/run", "/tree", "/tree/tools"):
        os.mkdir(base + name)
    for name in ("up", "packages"):
        shutil.copy(f"{SOURCE}/tools/{name}", f"{base}/tree/tools/{name}")
    shutil.copy(BIN, f"{base}/reelfs")
    for folder, _, files in os.walk(base):
        os.chown(folder, 65534, 65534)
        for name in files:
            os.chmod(f"{folder}/{name}", 0o755)
    os.chmod(f"{base}/run", 0o700)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "SUDO_"))}
    env.update(BASE=base, UP=f"{base}/tree/tools/up", REELFS_BIN=f"{base}/reelfs", HOME=f"{base}/home",
               XDG_RUNTIME_DIR=f"{base}/run", LC_ALL="C.UTF-8")
    done = run("unshare", "--mount", "--propagation", "private", "bash", "-c", ORDINARY, env=env, check=False)
    text = said(done)
    assert done.returncode == 0 and "all done" in text, text
    assert "owner 65534" in text and "hello" in text and re.search(r"^[0-9a-f]{32}\.key$", text, re.MULTILINE)
