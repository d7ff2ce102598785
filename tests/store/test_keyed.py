from dataclasses import replace

from callgate.store.keyed import KeyedHash
from tests.samples import tool_call

KEYED = KeyedHash(b"s" * 32)


def test_digest_depends_on_the_salt_and_hides_the_plain_one() -> None:
    digest = tool_call().digest

    assert KEYED.digest(digest) != KeyedHash(b"t" * 32).digest(digest)
    assert digest not in KEYED.digest(digest)


def test_keyed_digest_stays_as_it_is() -> None:
    once = KEYED.digest(tool_call().digest)

    assert KEYED.digest(once) == once
    key = tool_call().key
    assert KEYED.call(replace(key, digest=once)) == KEYED.call(key)


def test_every_part_of_a_key_counts() -> None:
    key = tool_call().key
    others = [
        replace(key, origin="other:443"),
        replace(key, scope="other"),
        replace(key, id="other"),
        replace(key, digest="other"),
        replace(key, agent="other"),
        replace(key, scope=key.scope + '", "' + key.id, id=""),
    ]

    assert len({KEYED.call(k) for k in [key, *others]}) == 7


def test_key_has_64_characters_whatever_the_ids_hold() -> None:
    key = replace(tool_call().key, id="\ud800" * 400, scope="\x00")

    assert len(KEYED.call(key)) == len(KEYED.scope("chat", "\ud800", "")) == 64


def test_names_and_marks_of_conversations_have_hashes_of_their_own() -> None:
    hashes = {KEYED.conversation("a"), KEYED.mark("a"), KEYED.conversation("b"), KEYED.mark("b")}

    assert len(hashes) == 4
    assert all(len(one) == 64 for one in hashes)
    assert KEYED.mark("a") != KeyedHash(b"t" * 32).mark("a")
