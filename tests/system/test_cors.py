"""CORS: rules set with `reelfs cors`, and what a browser is told."""

import json

from harness import said, write_file

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
        assert said(cors(store, "put", f"{store.base}/rules.json")) == "set cors of container live\n"
        assert cors(store, "get").stdout.decode() == text
        other()
        assert json.loads(cors(store, "get", "--json").stdout) == RULES
        refused = cors(store, "put", "-", stdin=None, input=b"[]", check=False)
        assert refused.returncode != 0 and "list of 1 to 100 rules" in said(refused)
        refused = cors(store, "put", "-", stdin=None, input=b"[\n,]", check=False)
        assert refused.returncode != 0 and "line 2, column 1" in said(refused)
        assert cors(store, "get").stdout.decode() == text
        assert said(cors(store, "delete")) == "deleted cors of container live\n"
        assert "no cors document" in said(cors(store, "delete", check=False))

    def restart():
        store.umount()
        store.mount()

    one_round(restart)
    store.umount()
    one_round(lambda: None)
    gone = store.cli("cors", "get", "gone", "--store", store.dir, "--key-file", store.key, check=False)
    assert gone.returncode != 0 and 'there is no container "gone"' in said(gone)
