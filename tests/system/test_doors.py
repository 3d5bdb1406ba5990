"""The public door around its answers: hosts that name containers, proxies that are believed, the access log."""

import json
import os
import signal

from harness import read_file, run, said, wait_until, write_file


def curl(store, host, target, *arguments):
    """(status, body) by curl of a request to the store's door with this Host."""
    port = store.http.rsplit(":", 1)[1]
    done = run("curl", "-sS", "-w", "\\n%{http_code}", "--path-as-is", "--resolve", f"{host}:{port}:127.0.0.1",
               *arguments, f"http://{host}:{port}{target}")
    body, _, status = done.stdout.rpartition(b"\n")
    return int(status), body


def user(store):
    """curl's options for a user that may do everything."""
    made = json.loads(store.cli("user", "create", "ann", "--store", store.dir, "--json").stdout)
    return ("-u", f"{made['AccessKeyId']}:{made['SecretAccessKey']}")


def published(store, name, content):
    path = f"{store.container('live')}/{name}"
    write_file(path, content)
    store.published(path)
    return path


def test_a_container_is_served_at_its_endpoint_host(make_store):
    store = make_store().mount("--domain", "Media.Example")
    published(store, "a.ts", b"content")
    ann = user(store)
    described = json.loads(store.cli("container", "describe", "live", "--store", store.dir, "--json").stdout)
    endpoint = f"{described['endpoint_id']}.media.example"
    assert curl(store, endpoint, "/a.ts", *ann) == (200, b"content")
    assert curl(store, endpoint, "//a.ts", *ann) == (200, b"content")
    assert curl(store, endpoint, "/put.ts", *ann, "-T", __file__)[0] == 200
    assert read_file(f"{store.path}/live/put.ts") == read_file(__file__)
    status, body = curl(store, endpoint, "/?Path=", *ann)
    assert status == 200 and {item["Name"] for item in json.loads(body)["Items"]} == {"a.ts", "put.ts"}
    assert curl(store, endpoint, "/live/a.ts", *ann)[0] == 404, "names are for paths"
    assert curl(store, "media.example", f"/{described['endpoint_id']}/a.ts", *ann)[0] == 404, "ids for hosts"
    assert curl(store, "media.example", "/live/a.ts", *ann) == (200, b"content")
    status, body = curl(store, "unknown.media.example", "/a.ts", *ann)
    assert status == 404 and json.loads(body)["Code"] == "ContainerNotFoundException"
    store.umount()
    store.mount("--domain", "media.example")
    assert curl(store, endpoint, "/a.ts", *ann) == (200, b"content"), "it never changes"


def test_options_that_mean_nothing_are_refused_before_a_daemon_starts(make_store):
    store = make_store()
    for option, value, says in (("--domain", "a..b", "is no domain"), ("--account", "1", "not 12 digits"),
                                ("--region", "moon", "does not look like us-west-2"),
                                ("--trusted-proxy", "10.0.0.1/8", "is no address and no network"),
                                ("--access-log", f"{store.base}/none/log", "none/log")):
        refused = store.cli("serve", store.dir, "--key-file", store.key, "--http", "127.0.0.1:0", option, value,
                            check=False)
        assert refused.returncode != 0 and says in said(refused), (option, said(refused))


def test_nobody_behind_a_trusted_proxy_is_taken_for_this_machine(make_store):
    store = make_store().mount("--trusted-proxy", "127.0.0.2,127.0.0.3", "--trusted-proxy", "10.0.0.0/8")
    target = store.target(published(store, "a.ts", b"content"))
    assert store.request("GET", target)[0] == 200, "a person at this machine"
    for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}):
        options = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        assert curl(store, "localhost", target, "--interface", "127.0.0.2", *options)[0] == 403, headers


# The access log

def lines_of(path, operation):
    """All lines on one operation: others are the harness's own requests."""
    found = [json.loads(line) for line in read_file(path).splitlines()]
    return [line for line in found if line["Operation"] == operation]


def only_line(path, operation):
    """The log is written behind the answers."""
    wait_until(lambda: lines_of(path, operation), 20, f"a line on {operation}")
    found = lines_of(path, operation)
    assert len(found) == 1
    return found[0]


def test_96_one_get_is_one_line_with_every_field(make_store):
    store = make_store()
    log = f"{store.base}/access.log"
    store.mount("--access-log", log, "--account", "111122223333")
    path = published(store, "a.ts", b"content")
    status, headers, _ = store.get(path)
    assert status == 200
    line = only_line(log, "GetObject")
    assert set(line) == {"AWSAccountId", "BytesReceived", "BytesSent", "ContainerName", "ErrorCode", "ExpiresAt",
                         "HTTPStatus", "Operation", "Path", "ReceivedTime", "RequestID", "Requester", "Source",
                         "TotalTime", "TurnAroundTime"}
    assert line["Requester"] == "anonymous"
    assert line["ContainerName"] == "live" and line["Path"] == "/a.ts" and line["HTTPStatus"] == 200
    assert line["BytesSent"] == 7 and line["ErrorCode"] is None and line["Source"] == "127.0.0.1"
    assert line["AWSAccountId"] == "111122223333" and line["RequestID"] == headers["x-amzn-requestid"]
    assert os.stat(log).st_mode & 0o777 == 0o600


def test_uploads_are_logged_with_who_sent_them(make_store):
    store = make_store()
    log = f"{store.base}/access.log"
    store.mount("--access-log", log)
    store.container("live")
    ann = user(store)
    assert curl(store, "localhost", "/live/put.ts", *ann, "-T", __file__)[0] == 200
    line = only_line(log, "PutObject")
    assert line["BytesReceived"] == os.path.getsize(__file__)
    assert line["Requester"] == "arn:aws:iam::000000000000:user/ann"


def test_the_access_log_is_rotated_on_sighup_and_no_line_is_lost(make_store):
    store = make_store()
    log = f"{store.base}/access.log"
    store.mount("--access-log", log)
    path = published(store, "a.ts", b"content")
    for turn in range(3):
        os.rename(log, f"{log}.{turn}")
        for _ in range(10):
            assert store.get(path)[0] == 200
        os.kill(store.pid, signal.SIGHUP)
        wait_until(lambda: os.path.exists(log), 20, "the log has its name again")
    assert store.get(path)[0] == 200
    store.umount()
    counts = [len(lines_of(name, "GetObject")) for name in (f"{log}.0", f"{log}.1", f"{log}.2", log)]
    assert sum(counts) == 31 and counts[3] >= 1, counts
