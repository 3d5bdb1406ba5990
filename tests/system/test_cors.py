"""CORS: rules set with `reelfs cors`, and what a browser is told."""

import json

import pytest

from harness import run, said, write_file

RULES = [{"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET", "HEAD"],
          "AllowedHeaders": ["range"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 3000}]


def cors(store, verb, *arguments, **options):
    return store.cli("cors", verb, "live", *arguments, "--store", store.dir, "--key-file", store.key,
                     **options)


def test_rules_are_put_shown_and_deleted_with_and_without_a_daemon(make_store):
    store = make_store().mount()
    store.container("live")
    text = json.dumps(RULES, indent=1) + "\n"
    write_file(f"{store.base}/rules.json", text.encode())

    def one_round(other):
        assert "no cors document; reelfs cors put live FILE" in said(cors(store, "get", check=False))
        assert cors(store, "put", f"{store.base}/rules.json").stdout.decode() == "set cors of container live\n"
        assert cors(store, "get").stdout.decode() == text
        other()
        assert json.loads(cors(store, "get", "--json").stdout) == RULES
        refused = cors(store, "put", "-", stdin=None, input=b"[]", check=False)
        assert refused.returncode != 0 and "list of 1 to 100 rules" in said(refused)
        refused = cors(store, "put", "-", stdin=None, input=b"[\n,]", check=False)
        assert refused.returncode != 0 and "line 2, column 1" in said(refused)
        assert cors(store, "get").stdout.decode() == text
        assert cors(store, "delete").stdout.decode() == "deleted cors of container live\n"
        assert "no cors document" in said(cors(store, "delete", check=False))

    def restart():
        store.umount()
        store.mount()

    one_round(restart)
    store.umount()
    one_round(lambda: None)
    gone = store.cli("cors", "get", "gone", "--store", store.dir, "--key-file", store.key, check=False)
    assert gone.returncode != 0 and 'there is no container "gone"' in said(gone)


def put_rules(store, rules):
    write_file(f"{store.base}/rules.json", json.dumps(rules).encode())
    cors(store, "put", f"{store.base}/rules.json")


def curl(url, *arguments):
    """(status, headers) of one request by curl; names of headers in lower case."""
    lines = run("curl", "-sS", "-o", "/dev/null", "-D", "-", *arguments, url).stdout.decode().splitlines()
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), {name.lower(): value for name, value in headers.items()}


def has_cors(headers):
    return any(name.startswith("access-control-") for name in headers)


FOR_ALL = [{"AllowedOrigins": ["*"], "AllowedHeaders": ["*"], "AllowedMethods": ["GET", "HEAD"],
            "MaxAgeSeconds": 3000}]
PREFLIGHT = ("-X", "OPTIONS", "-H", "Origin: https://e.com", "-H", "Access-Control-Request-Headers: range",
             "-H")


@pytest.fixture
def film(make_store):
    store = make_store().mount()
    path = f"{store.container('live')}/f"
    write_file(path, b"content")
    store.published(path)
    return store, store.url(path)


def test_86_a_preflight_is_answered_by_the_rules(film):
    store, url = film
    put_rules(store, FOR_ALL)
    status, headers = curl(url, *PREFLIGHT, "Access-Control-Request-Method: GET")
    assert status == 200
    assert headers["access-control-allow-origin"] == "*"
    assert {name.strip() for name in headers["access-control-allow-methods"].split(",")} == {"GET", "HEAD"}
    assert headers["access-control-allow-headers"] == "range"
    assert headers["access-control-max-age"] == "3000"
    assert headers["content-length"] == "0"


def test_87_a_preflight_for_another_method_is_refused_without_cors_headers(film):
    store, url = film
    put_rules(store, FOR_ALL)
    status, headers = curl(url, *PREFLIGHT, "Access-Control-Request-Method: PUT")
    assert status == 403 and not has_cors(headers)


def test_88_an_origin_is_compared_with_its_port(film):
    store, url = film
    put_rules(store, [dict(FOR_ALL[0], AllowedOrigins=["https://www.example.com"])])
    status, headers = curl(url, "-H", "Origin: https://www.example.com:443")
    assert status == 200 and not has_cors(headers)
    status, headers = curl(url, "-H", "Origin: https://www.example.com")
    assert status == 200 and headers["access-control-allow-origin"] == "https://www.example.com"
    assert headers["vary"] == "Origin"


def test_89_without_an_origin_there_are_no_cors_headers(film):
    store, url = film
    put_rules(store, FOR_ALL)
    status, headers = curl(url)
    assert status == 200 and not has_cors(headers)


def test_a_change_counts_for_the_next_request_and_rules_survive_a_kill(film):
    store, url = film
    assert not has_cors(curl(url, "-H", "Origin: https://e.com")[1])
    put_rules(store, FOR_ALL)
    assert has_cors(curl(url, "-H", "Origin: https://e.com")[1])
    store.kill()
    store.mount()
    url = store.url(f"{store.path}/live/f")
    assert has_cors(curl(url, "-H", "Origin: https://e.com")[1])
    assert has_cors(curl(f"{url}/none", "-H", "Origin: https://e.com")[1]), "errors can be read too"
    cors(store, "delete")
    assert not has_cors(curl(url, "-H", "Origin: https://e.com")[1])
    assert curl(url, *PREFLIGHT, "Access-Control-Request-Method: GET")[0] == 403


def test_every_page_may_read_the_time(film):
    store, _ = film
    status, headers = curl(f"http://{store.http}/~reelfs/time", "-H", "Origin: https://e.com")
    assert status == 200 and headers["access-control-allow-origin"] == "*"
    assert "date" in headers
