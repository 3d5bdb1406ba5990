"""reelfs-semantics(7): every sentence of its sections is followed by tests that exist."""

import os
import re

from harness import SOURCE, read_file

PAGE = f"{SOURCE}/man/reelfs-semantics.7"
UNTESTED = ("NAME", "DESCRIPTION", "SEE ALSO")


def sentences():
    """[(sentence, [(file, test), ...])] in order."""
    found, words, section = [], [], None
    for line in read_file(PAGE).decode().splitlines():
        if line.startswith(".Sh "):
            section = line[4:]
        elif section in UNTESTED or section is None or line.startswith((".Ss ", ".Dd", ".Dt", ".Os")):
            continue
        elif line.startswith('.\\" test '):
            assert found, "a test comes after its sentence"
            found[-1][1].append(tuple(line.split()[2:4]))
        else:
            words.append(re.sub(r"^\.(Xr|Dv|Er|Cm|Li|Ql|Pq)( Er)? ", "", line))
            if line.rstrip(" )").endswith("."):
                found.append((" ".join(words), []))
                words = []
    assert not words, f"no full stop after {words}"
    return found


def exists(path, test):
    text = read_file(f"{SOURCE}/{path}").decode()
    if path.endswith(".py"):
        return re.search(rf"^def {re.escape(test)}\(", text, re.M)
    suite, name = test.split(".")
    return re.search(rf"^TEST(_F|_P)?\({re.escape(suite)},\s*{re.escape(name)}\)", text, re.M)


def test_every_sentence_names_tests_that_exist():
    found = sentences()
    assert len(found) > 30
    for sentence, tests in found:
        assert tests, f"no test is named for: {sentence}"
        for path, test in tests:
            assert os.path.exists(f"{SOURCE}/{path}"), f"{path}, named for: {sentence}"
            assert exists(path, test), f"{path} has no {test}, named for: {sentence}"
