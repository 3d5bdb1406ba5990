"""The checklist of the MediaStore specification (section 9), data plane, with real clients: a test is named after the
item it is. Items 33, 34, 47, 52 and 60 are about MediaStore's own limits and use a container of that profile. Items 86
to 89 (CORS) are in test_cors.py, 93 and 94 (encoders) in test_http_push.py, 96 (access log) in test_doors.py. The
endpoint is path-style; `container describe --json` stands in for DescribeContainer."""

import base64
import concurrent.futures
import datetime
import email.utils
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from harness import Store, http_connection, pattern, read_file, run, said, wait_until, write_file
from mediastore_clients import Boto3, CommandLine, Curl, JavaScript

MB = 1 << 20
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
F = pattern(29, 5_000)   # "f is a small file"


class Site:
    """A served store with a user, one container as `container create` makes it and one with MediaStore's limits."""

    def __init__(self, store):
        self.store = store
        certificate, key = f"{store.base}/tls/c.pem", f"{store.base}/tls/c.key"
        store.mount("--https", "127.0.0.1:0", "--tls-self-signed", "--tls-certificate", certificate, "--tls-key", key)
        self.ca = certificate
        self.key = json.loads(store.cli("user", "create", "ann", "--store", store.dir, "--json").stdout)
        store.cli("container", "create", "movies", "--store", store.dir)
        store.cli("container", "create", "strict", "--profile", "mediastore", "--store", store.dir)
        self.f = f"{store.base}/f"
        write_file(self.f, F)
        self.curl = Curl(self.key)
        self.clients = {}

    def dp(self, container="movies", tls=False):
        address = self.store.status()["https"] if tls else self.store.http
        return f"http{'s' if tls else ''}://{address}/{container}"

    def boto3(self, container="movies", **config):
        return Boto3(self.dp(container), dict(self.key, **config.pop("key", {})), **config)

    def aws(self, container="movies", **config):
        return CommandLine(self.dp(container), dict(self.key, **config.pop("key", {})), self.store.env,
                           self.store.base, **config)

    def path(self, *parts):
        return "/".join((self.store.path, "movies") + parts)

    def client(self, kind):
        if kind not in self.clients:
            self.clients[kind] = {"cli": self.aws, "boto3": self.boto3,
                                  "js": lambda: JavaScript(self.dp(), self.key)}[kind]()
        return self.clients[kind]

    def close(self):
        for client in self.clients.values():
            client.close()
        self.store.close()


class SlowUpload:
    """Item 52 takes MediaStore's thirty seconds: it runs beside the other items."""

    def __init__(self, site):
        self.body = f"{site.store.base}/slow"
        write_file(self.body, pattern(52, 100_000))
        self.process = subprocess.Popen(site.curl.command(
            "-w", "%{http_code}", "-o", "/dev/null", "--limit-rate", "1k", "-T", self.body, f"{site.dp('strict')}/slow"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def close(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def site(module_scratch):
    store, made, slow = Store(module_scratch), None, None
    try:
        made = Site(store)
        made.slow = slow = SlowUpload(made)
        yield made
    finally:
        if slow:
            slow.close()
        (made or store).close()


@pytest.fixture(params=["cli", "boto3", "js"])
def client(site, request):
    """Each of AWS's clients in turn."""
    return site.client(request.param)


@pytest.fixture
def at(request):
    """A folder of this test and client."""
    return re.sub(r"\W", "-", request.node.name)


# Upload, download, delete

def test_item_29_and_35_put_and_get(client, at):
    made = client.put(f"/{at}/f.txt", F, ContentType="text/plain", CacheControl="max-age=6, public")
    assert made["ContentSHA256"] == hashlib.sha256(F).hexdigest()
    assert made["StorageClass"] == "TEMPORAL"
    assert re.fullmatch(r"[0-9a-f]{32}", made["ETag"]), "128 random bits, of which MediaStore's pattern takes any number"
    got = client.get(f"{at}/f.txt")
    assert (got.status, got.body) == (200, F)
    assert (got["CacheControl"], got["ContentType"]) == ("max-age=6, public", "text/plain")
    assert (got["ETag"], got["ContentLength"]) == (made["ETag"], len(F))


def test_item_30_and_36_a_leading_slash_changes_nothing(client, at):
    client.put(f"/{at}/f.txt", b"first", CacheControl="max-age=6")
    client.put(f"{at}/f.txt", F)
    found = client.describe(f"/{at}/f.txt")
    assert found["ContentLength"] == len(F)
    assert "CacheControl" not in found.members


def test_item_31_names_with_equals_colon_and_tilde(client, at):
    assert client.put(f"{at}/k=v/t:1~x.ts", F)["ETag"]
    assert client.get(f"{at}/k=v/t:1~x.ts").body == F


def test_item_32_slashes_collapse(client, at):
    assert client.put(f"/{at}//y.ts", F)["ETag"]
    assert client.describe(f"{at}/y.ts")["ContentLength"] == len(F)


@pytest.mark.parametrize("make", ["aws", "boto3"])
def test_item_33_a_blank_in_a_name(site, make):
    reply = getattr(site, make)("strict").put("sp ace/a.ts", F)
    assert reply.error == "ValidationException" and reply.status in (400, None)


def test_item_34_depth_and_length(site):
    strict = site.boto3("strict")
    assert strict.put("/".join("abcdefghij") + "/name", F)["ETag"]
    refused = strict.put("/".join("abcdefghijk") + "/name", F)
    assert (refused.status, refused.error) == (400, "ValidationException")
    parts = ["n" * 224] * 4
    assert len("/".join(parts) + "x") == 900 and strict.put("/".join(parts) + "x", F)["ETag"]
    assert strict.put("/".join(parts) + "xx", F).status == 400


@pytest.mark.parametrize("text, first, last", [("0-2", 0, 2), ("-3", len(F) - 3, len(F) - 1), ("3-", 3, len(F) - 1),
                                               ("0-999999999", 0, len(F) - 1)])
def test_item_37_and_38_ranges(site, text, first, last):
    for kind in ("boto3", "js") + (("cli",) if first == 0 else ()):
        client = site.client(kind)
        client.put("ranges/f.txt", F)
        got = client.get("ranges/f.txt", Range=f"bytes={text}")
        assert (got.status, got.body) == (206, F[first:last + 1]), kind
        assert got["ContentRange"] == f"bytes {first}-{last}/{len(F)}"
        assert got["ContentLength"] == last - first + 1


def test_item_39_a_range_beyond_the_end(client, at):
    client.put(f"{at}/f.txt", F)
    got = client.get(f"{at}/f.txt", Range="bytes=999999999-")
    assert got.error == "RequestedRangeNotSatisfiableException" and got.status in (416, None)


@pytest.fixture
def object_url(site, at):
    """The URL of a small object."""
    assert site.boto3().put(f"{at}/f.txt", F)["ETag"]
    return f"{site.dp()}/{at}/f.txt"


def test_item_40_several_ranges_are_ignored(site, object_url):
    status, _, body = site.curl("-H", "Range: bytes=0-1,3-4", object_url)
    assert (status, body) == (200, F)


def test_item_41_head(site, object_url):
    status, headers, body = site.curl("-I", object_url)
    assert (status, body) == (200, b"")
    assert re.fullmatch(r"[0-9a-f]{32}", headers["etag"]), "bare"
    moment = email.utils.parsedate_to_datetime(headers["last-modified"])
    assert headers["last-modified"] == email.utils.format_datetime(moment, usegmt=True)
    assert headers["content-length"] == str(len(F))
    assert headers["date"] and headers["x-amzn-requestid"]


def test_item_42_conditions_are_ignored(site, object_url):
    etag = site.curl("-I", object_url)[1]["etag"]
    tomorrow = email.utils.format_datetime(
        datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1), usegmt=True)
    for header in (f"If-None-Match: {etag}", f'If-None-Match: "{etag}"', f"If-Modified-Since: {tomorrow}",
                   "If-Match: nothing", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"):
        assert site.curl("-H", header, object_url)[0] == 200, header


def test_a_delivery_rule_has_the_etag_quoted_or_bare_for_everybody(site, object_url):
    target = object_url.split(site.store.http)[1]

    def both():
        """The ETag as MediaStore's dialect and as RFC 9110's has it."""
        status, headers, _ = site.store.request("GET", target)
        assert status == 200
        return site.curl("-I", object_url)[1]["etag"], headers["etag"]

    def rule(verb, *text):
        return site.store.cli("delivery", verb, "movies", *(["-"] if text else []), "--store", site.store.dir,
                              **({"stdin": None, "input": text[0].encode()} if text else {}))

    bare = site.curl("-I", object_url)[1]["etag"]
    quoted = f'"{bare}"'
    assert both() == (bare, quoted)
    try:
        for form, etag in (("bare", bare), ("quoted", quoted)):
            rule("put", json.dumps({"rules": [{"path": {"prefix": ""}, "etag": form}]}))
            assert both() == (etag, etag)
            for validator in (bare, quoted):
                assert site.store.request("GET", target, {"If-None-Match": validator})[0] == 304
                status, _, body = site.store.request("GET", target, {"If-Range": validator, "Range": "bytes=1-2"})
                assert (status, body) == (206, F[1:3])
    finally:
        rule("delete")
    assert both() == (bare, quoted)


def test_item_43_and_44_what_is_not_there(site, client):
    for reply in (client.get("no/such"), client.describe("no/such")):
        assert reply.error == "ObjectNotFoundException" and reply.status in (404, None)
    status, headers, body = site.curl(f"{site.dp()}/no/such")
    assert (status, headers["x-amzn-errortype"]) == (404, "ObjectNotFoundException")
    assert headers["content-type"] == "application/json" and json.loads(body)["Message"]


def test_item_45_delete(client, at):
    client.put(f"{at}/f.txt", F)
    gone = client.delete(f"{at}/f.txt")
    assert gone.error is None and gone.members in ({}, None)
    assert client.delete(f"{at}/f.txt").error == "ObjectNotFoundException"


@pytest.mark.parametrize("make", ["aws", "boto3"])
def test_item_46_an_unknown_container(site, make):
    reply = getattr(site, make)("unknown-id").get("a")
    assert reply.error == "ContainerNotFoundException" and reply.status in (404, None)


@pytest.mark.parametrize("size, fits", [(25 * MB, True), (25 * MB + 1, False)])
def test_item_47_the_size_of_an_object(site, size, fits):
    big = f"{site.store.base}/big"
    with open(big, "wb") as file:
        file.truncate(size)
    done = site.aws("strict").run("put-object", "--body", big, "--path", "big")
    assert (done.returncode == 0) == fits, said(done)
    assert fits or "ValidationException" in said(done)
    assert os.path.getsize(f"{site.store.path}/strict/big") == 25 * MB, "what was refused has replaced nothing"


def test_item_48_storage_classes(site):
    status, headers, _ = site.curl("-T", site.f, "-H", "x-amz-storage-class: STANDARD", f"{site.dp()}/class")
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert site.curl("-T", site.f, "-H", "x-amz-storage-class: TEMPORAL", f"{site.dp()}/class")[0] == 200


def test_item_49_expect_is_answered(site):
    done = run(*site.curl.command("-v", "--expect100-timeout", "60", "-T", site.f, f"{site.dp()}/expected"))
    text = done.stderr.decode()
    assert "> Expect: 100-continue" in text and "< HTTP/1.1 100 Continue" in text and "< HTTP/1.1 200 OK" in text
    assert text.count("< HTTP/1.1 100") == 1


def test_item_50_chunked_and_standard(site):
    body = pattern(50, 300_000)
    done = run(*site.curl.command("-v", "-T", "-", f"{site.dp()}/piped"), input=body, stdin=None)
    assert b"Transfer-Encoding: chunked" in done.stderr
    assert json.loads(done.stdout)["ContentSHA256"] == hashlib.sha256(body).hexdigest()
    assert site.curl(f"{site.dp()}/piped")[2] == body


def test_item_51_an_empty_object(site):
    assert json.loads(run(*site.curl.command("-T", "-", f"{site.dp()}/empty"), input=b"", stdin=None).stdout)["ETag"]
    status, headers, body = site.curl("-I", f"{site.dp()}/empty")
    assert (status, headers["content-length"]) == (200, "0")
    assert site.curl("-H", "Range: bytes=0-", f"{site.dp()}/empty")[0] == 416
    assert site.boto3().put("empty-too", b"")["ETag"], "which sends Content-Length: 0"
    assert site.boto3().get("empty-too").body == b""


def test_item_53_other_methods(site, object_url):
    status, headers, _ = site.curl("-X", "PATCH", object_url)
    assert status == 405 and "GET" in headers["allow"]


def test_item_54_two_uploads_at_once(site):
    bodies = [pattern(1, 2 * MB), pattern(2, 2 * MB)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for _ in range(5):
            made = [pool.submit(site.boto3().put, "both", body) for body in bodies]
            tags = [one.result()["ETag"] for one in made]
            got = site.boto3().get("both")
            assert got.body in bodies and got["ETag"] == tags[bodies.index(got.body)]


# Streaming availability

class Upload:
    """curl, sending what it is given, in chunks."""

    def __init__(self, site, url, *headers):
        self.url = url
        self.process = subprocess.Popen(
            site.curl.command("-T", "-", *(part for header in headers for part in ("-H", header)), url),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def finish(self):
        self.process.stdin.close()
        answer = json.loads(self.process.stdout.read())
        assert self.process.wait(30) == 0
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Download(Upload):
    """curl, reading."""

    def __init__(self, site, url, *headers, signed=True):
        self.url, self.head = url, f"{site.store.base}/head-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            [*(site.curl.command() if signed else ("curl", "-sS")), "-N", "-D", self.head,
             *(part for header in headers for part in ("-H", header)), url],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def headers(self):
        return Curl.parse(read_file(self.head))[:2]

    def read(self, size):
        return self.process.stdout.read(size)


def is_there(site, url):
    return wait_until(lambda: site.curl(url, "-I")[0] == 200, 20, "the object can be fetched")


STREAMING = "x-amz-upload-availability: STREAMING"
HALF, WHOLE = pattern(55, 400_000), pattern(55, 800_000)


@pytest.mark.parametrize("value", ["STREAMING", "streaming"])
def test_item_55_56_57_and_62_a_streaming_upload_is_read_while_it_comes(site, value):
    """62: the value in lower case is the same."""
    url = f"{site.dp()}/s/{value}.m4s"
    with Upload(site, url, f"x-amz-upload-availability: {value}") as upload:
        upload.send(HALF)
        is_there(site, url)
        with Download(site, url) as reader, Download(site, url, "Range: bytes=0-9") as ranged:
            assert reader.read(1_000) == HALF[:1_000], "55: bytes come before the upload ends"
            assert ranged.read(1_000) == HALF[:1_000], "57: Range is ignored meanwhile"
            status, headers, _ = site.curl("-I", url)
            assert status == 200 and "content-length" not in headers and "etag" not in headers
            # curl holds back what does not fill its buffer; whatever has come is a beginning.
            upload.send(WHOLE[400_000:])
            upload.finish()
            assert reader.read(1 << 20) == WHOLE[1_000:] and reader.process.wait(30) == 0, "56: it ends by itself"
            assert reader.headers()[1]["transfer-encoding"] == "chunked"
            assert ranged.headers()[0] == 200 and ranged.read(1 << 20) == WHOLE[1_000:]
    assert site.curl("-H", "Range: bytes=0-9", url)[::2] == (206, WHOLE[:10]), "57: after completion"


def test_item_58_a_standard_upload_is_not_seen_before_it_is_whole(site):
    url, other = f"{site.dp()}/standard/new.m4s", f"{site.dp()}/standard/old.m4s"
    assert site.boto3().put("standard/old.m4s", F)["ETag"]
    with Upload(site, url) as first, Upload(site, other) as second, Upload(site, f"{site.dp()}/standard/s",
                                                                           STREAMING) as third:
        for upload in (first, second, third):
            upload.send(HALF)
        is_there(site, third.url)   # the bytes of all three have been on their way for as long
        assert site.curl(url)[0] == 404
        assert site.curl(other)[::2] == (200, F)
        assert not os.path.exists(site.path("standard", "new.m4s"))
        for upload in (first, second, third):
            upload.finish()
    assert site.curl(url)[2] == site.curl(other)[2] == HALF


def test_item_59_a_killed_upload_breaks_off_its_readers(site):
    url = f"{site.dp()}/s/killed.m4s"
    with Upload(site, url, STREAMING) as upload:
        upload.send(HALF)
        is_there(site, url)
        with Download(site, url) as reader:
            assert reader.read(1_000) == HALF[:1_000]
            upload.process.kill()
            upload.process.wait()
            rest = reader.read(1 << 20)
            assert HALF[1_000:].startswith(rest)
            assert reader.process.wait(30) in (18, 56), "an error, not a clean end"
    wait_until(lambda: site.curl(url)[0] == 404, 20, "the failed object has gone")


@pytest.mark.parametrize("size, fits", [(10 * MB, True), (10 * MB + 1, False)])
@pytest.mark.parametrize("chunked", [True, False])
def test_item_60_the_size_of_a_streaming_object(site, size, fits, chunked):
    url, body = f"{site.dp('strict')}/streamed-{size}-{chunked}", f"{site.store.base}/streamed"
    write_file(body, pattern(60, MB) * 10 + b"x" * (size - 10 * MB))
    framing = ("-H", "Transfer-Encoding: chunked") if chunked else ()
    done = run(*site.curl.command("-o", "/dev/null", "-w", "%{http_code}", "-H", STREAMING, *framing, "-T", body, url),
               check=False)
    assert (done.stdout == b"200") == fits, said(done)
    assert site.curl("-I", url)[0] == (200 if fits else 404)


def test_item_61_streaming_with_a_content_length(client, at):
    assert client.put(f"{at}/b", F, UploadAvailability="STREAMING")["ETag"]
    assert client.get(f"{at}/b").body == F


@pytest.mark.parametrize("kind", ["boto3", "js"])
def test_item_63_a_body_of_unknown_length(site, kind):
    body = pattern(63, 200_000)
    made = site.client(kind).put_stream(f"unknown/{kind}", body, UploadAvailability="STREAMING")
    assert made["ContentSHA256"] == hashlib.sha256(body).hexdigest()
    assert site.client(kind).get(f"unknown/{kind}").body == body


# Listing and folders

@pytest.fixture(scope="module")
def listed(site):
    """a/b/c.ts, a.ts, d/one.ts and d/two.ts in a container of their own."""
    site.store.cli("container", "create", "listed", "--store", site.store.dir)
    for path in ("a/b/c.ts", "a.ts", "d/one.ts", "d/two.ts"):
        assert site.boto3("listed").put(path, F)["ETag"]
    return site


@pytest.fixture(params=["cli", "boto3", "js"])
def lister(listed, request):
    made = {"cli": listed.aws, "boto3": listed.boto3,
            "js": lambda container: JavaScript(listed.dp(container), listed.key)}[request.param]("listed")
    yield made
    made.close()


def names(items):
    return [item["Name"] for item in items]


def test_item_64_65_66_and_70_listing(lister):
    root = lister.items()
    assert names(root) == ["a", "a.ts", "d"], "66: folder a once"
    assert root[0] == {"Name": "a", "Type": "FOLDER"}
    assert set(root[1]) == {"Name", "Type", "ETag", "LastModified", "ContentType", "ContentLength"}, "64"
    assert root[1]["ContentLength"] == len(F) and root[1]["ContentType"]
    assert root[1]["ETag"] == lister.describe("a.ts")["ETag"]
    for path in ("d", "/d", "d/", "/d/"):
        assert names(lister.items(path)) == ["one.ts", "two.ts"], f"65: {path}"
    assert names(lister.items("a")) == ["b"] and names(lister.items("a/b")) == ["c.ts"]
    assert lister.items("no/such") == [], "70"


def test_item_67_many_objects(lister, listed):
    folder = f"{listed.store.path}/listed/many"
    os.makedirs(folder, exist_ok=True)
    for number in range(2_500):
        write_file(f"{folder}/{number:05}.ts", b"")
    expected = [f"{number:05}.ts" for number in range(2_500)]
    assert names(lister.items("many")) == expected
    assert names(lister.items("many", page=7)) == expected


def test_item_68_a_page_as_it_is_written(listed):
    status, headers, body = listed.curl(f"{listed.dp('listed')}/?MaxResults=1&Path=d")
    assert status == 200 and headers["content-type"] == "application/json"
    page = json.loads(body)
    assert len(page["Items"]) == 1 and page["NextToken"]
    assert re.search(rb'"LastModified":\d+\.\d+[,}]', body) and re.search(rb'"ContentLength":5000[,}]', body)


def test_item_69_the_size_of_a_page(listed):
    for value, status in (("0", 400), ("1001", 400), ("x", 400), ("1", 200), ("1000", 200)):
        assert listed.curl(f"{listed.dp('listed')}/?MaxResults={value}")[0] == status, value
    assert listed.curl(f"{listed.dp('listed')}?MaxResults=5")[0] == 200, "as the CLI asks a path-style endpoint"


@pytest.mark.parametrize("kind", ["boto3", "js"])
def test_item_71_folders_vanish_with_their_last_object(site, kind, at):
    client = site.client(kind)

    def seen(path):
        return names(site.boto3().items(path))
    client.put(f"{at}/p/q/x", F)
    client.put(f"{at}/keep", F)
    client.delete(f"{at}/p/q/x")
    assert seen(at) == ["keep"]
    client.put(f"{at}/p/q/x", F)
    client.put(f"{at}/p/y", F)
    client.delete(f"{at}/p/q/x")
    assert seen(at) == ["keep", "p"] and seen(f"{at}/p") == ["y"]


# Authentication

def test_item_72_plain_and_tls(site):
    for tls in (False, True):
        options = {"ca": site.ca} if tls else {}
        for make in (lambda: Boto3(site.dp(tls=tls), site.key, **options),
                     lambda: JavaScript(site.dp(tls=tls), site.key, **options),
                     lambda: CommandLine(site.dp(tls=tls), site.key, site.store.env, site.store.base, **options)):
            client = make()
            try:
                assert client.put("tls/f", F)["ETag"] and client.get("tls/f").body == F
            finally:
                client.close()


def test_item_73_curl_without_the_hash_header(site):
    done = run("curl", "-sS", *site.curl.signing, "-w", "%{http_code}", "-o", "/dev/null", "-T", site.f,
               f"{site.dp()}/unhashed")
    assert done.stdout == b"403" and site.curl("-I", f"{site.dp()}/unhashed")[0] == 404


def test_item_74_curl_signs_a_query(listed):
    assert listed.curl(f"{listed.dp('listed')}/?MaxResults=5&Path=a%2Fb")[0] == 200


def status_of(url, *arguments):
    return run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *arguments, url).stdout


def test_item_75_a_presigned_get(site):
    client = site.boto3()
    client.put("/k=v/t:1.ts", F)
    os.chmod(site.path("k=v", "t:1.ts"), 0o600)   # nobody's to read
    url = client.presigned("get_object", 60, Path="/k=v/t:1.ts")
    assert run("curl", "-sSf", url).stdout == F
    for at in range(url.index("/movies/") + 8, len(url), 7):   # one character changed
        if url[at] in "%?&=":
            continue
        wrong = url[:at] + ("a" if url[at] != "a" else "b") + url[at + 1:]
        assert status_of(wrong)[:1] == b"4", wrong
    signature = url.index("X-Amz-Signature=") + 20
    assert status_of(url[:signature] + ("0" if url[signature] != "0" else "1") + url[signature + 1:]) == b"403"
    short = client.presigned("get_object", 1, Path="/k=v/t:1.ts")
    wait_until(lambda: status_of(short) == b"400", 20, "the URL has expired")


def test_item_76_a_presigned_put(site):
    url = site.boto3().presigned("put_object", 60, Path="presigned", Body=b"", ContentType="video/mp2t")
    assert status_of(url, "-T", site.f, "-H", "Content-Type: text/html") == b"403"
    assert status_of(url, "-T", site.f, "-H", "Content-Type: video/mp2t") == b"200"
    assert site.boto3().get("presigned").body == F


def test_item_77_a_session_token_nobody_gave(site):
    done = site.aws().run("list-items", AWS_SESSION_TOKEN="bogus")
    assert done.returncode != 0 and "UnrecognizedClientException" in said(done)
    assert site.boto3(token="bogus").get("f").status == 403


def test_item_78_a_clock_that_is_off(site, object_url):
    """The JavaScript SDK corrects its clock by our Date, and gets through at its second attempt."""
    path = object_url.split("/movies/")[1]
    refused = site.client("js").call("GetObject", Path=path, config={"systemClockOffset": -20 * 60_000})
    assert refused.error in ("RequestExpired", "InvalidSignatureException"), refused
    healed = site.client("js").call("GetObject", Path=path,
                                    config={"systemClockOffset": -20 * 60_000, "maxAttempts": 3})
    assert healed.body == F and healed.attempts == 2


def test_item_79_another_region(site):
    done = site.aws(region="eu-west-1").run("list-items")
    assert done.returncode != 0 and "InvalidSignatureException" in said(done)


# Encoders, logs, CDN

def test_item_95_a_chunked_delete_leaves_the_connection_usable(site):
    assert site.boto3().put("live/x.ts", F)["ETag"] and site.boto3().put("live/y.ts", F)["ETag"]
    connection = http_connection(site.store.http)
    try:
        signed = {"Authorization": "Basic " + _basic(site.key), "Transfer-Encoding": "chunked"}
        local = None
        for path, status in (("live/x.ts", 200), ("live/x.ts", 404), ("live/y.ts", 200)):
            connection.request("DELETE", f"/movies/{path}", body=iter([b""]), headers=signed, encode_chunked=True)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
            local = local or connection.sock.getsockname()
            assert connection.sock.getsockname() == local, "the same connection"
    finally:
        connection.close()
    assert site.boto3().put("live/x.ts", F)["ETag"]
    done = run("curl", "-sS", "-u", site.curl.pair, "-w", "%{http_code}", "-o", "/dev/null", "-X", "DELETE", "-H",
               "Transfer-Encoding: chunked", "-d", "", f"{site.dp()}/live/x.ts")
    assert done.stdout == b"200"


def _basic(key):
    return base64.b64encode(f"{key['AccessKeyId']}:{key['SecretAccessKey']}".encode()).decode()


class Cache:
    """nginx with proxy_cache in front of the store, on a port of its own."""

    def __init__(self, site, folder, version):
        os.makedirs(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        write_file(f"{folder}/conf", f"""daemon off; pid {folder}/pid; error_log {folder}/error.log;
            {'user root;' if os.geteuid() == 0 else ''}
            events {{ worker_connections 64; }}
            http {{ access_log off; proxy_cache_path {folder}/cache keys_zone=one:1m; proxy_temp_path {folder}/temp;
            client_body_temp_path {folder}/a; fastcgi_temp_path {folder}/b; uwsgi_temp_path {folder}/c;
            scgi_temp_path {folder}/d;
            server {{ listen 127.0.0.1:{self.port};
              location / {{ proxy_pass http://{site.store.http}; proxy_http_version {version}; proxy_cache one;
                proxy_cache_valid 200 1m; add_header X-Cache $upstream_cache_status always; }} }} }}""".encode())
        self.process = subprocess.Popen([NGINX, "-c", f"{folder}/conf", "-p", folder], stdin=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.address = f"127.0.0.1:{self.port}"
        wait_until(self.answers, 20, "nginx serves")

    def answers(self):
        assert self.process.poll() is None, "nginx has ended"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def close(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_item_98_a_caching_proxy(site, scratch, version):
    """It stores what may be stored, and nothing that broke off, whatever HTTP it speaks with us."""
    cache = Cache(site, f"{scratch}/nginx", version)
    try:
        def get(path):
            status, headers, body = site.store.request("GET", f"/movies/{path}", http=cache.address)
            return status, headers["x-cache"], body
        site.boto3().put(f"cached/{version}.ts", F, CacheControl="max-age=6")
        assert get(f"cached/{version}.ts") == (200, "MISS", F)
        assert get(f"cached/{version}.ts") == (200, "HIT", F)
        path = f"cached/killed-{version}.m4s"
        with Upload(site, f"{site.dp()}/{path}", STREAMING) as upload:
            upload.send(HALF)
            is_there(site, upload.url)
            with Download(site, f"http://{cache.address}/movies/{path}", signed=False) as reader:
                assert reader.read(1_000) == HALF[:1_000]
                upload.process.kill()
                upload.process.wait()
                reader.read(1 << 20)
                assert reader.process.wait(30) != 0
        wait_until(lambda: site.curl("-I", upload.url)[0] == 404, 20, "the failed object has gone")
        assert get(path)[0] == 404, "no part of it was stored"
    finally:
        cache.close()


def test_item_99_connections_are_kept(site, object_url):
    done = run(*site.curl.command("-v", "-o", "/dev/null", "-o", "/dev/null", object_url, object_url))
    assert done.stderr.count(b"Re-using existing connection") == 1


def test_item_52_a_slow_upload_is_cut_off(site):
    """It has been on its way since the first test."""
    out, errors = site.slow.process.communicate(timeout=120)
    assert out in (b"408", b"000"), (out, errors)
    assert site.curl("-I", f"{site.dp('strict')}/slow")[0] == 404


def test_item_100_a_restart_changes_nothing(site):
    """The last one: it restarts the daemon."""
    def seen():
        described = json.loads(site.store.cli("container", "describe", "movies", "--store", site.store.dir,
                                              "--json").stdout)
        del described["used_bytes"]  # what earlier tests replaced is given back in the background
        headers = site.curl("-I", f"{site.dp()}/again/f.txt")[1]
        return described, {name: headers[name] for name in ("etag", "last-modified", "cache-control", "content-type",
                                                            "content-length")}
    site.boto3().put("again/f.txt", F, ContentType="text/plain", CacheControl="max-age=6")
    before = seen()
    site.store.umount()
    site.store.mount()
    assert seen() == before
