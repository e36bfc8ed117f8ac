"""The driver of the Python SDK, `workos` (protocol: ../protocol.ts).

Owns the checks by this SDK's calls.
"""

import base64
import os
import sys

from cryptography.exceptions import InvalidTag
from workos import WorkOSClient
from workos._errors import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    UnprocessableEntityError,
)

NAME = "a/b é ?&#%"
CONTEXT = {"organization_id": "org_interop"}
LISTED = 13
TEXTS = ["", "s3cret", "Grüße, 日本語, 🔑, e\u0301", "0123456789" * 1000]
ASSOCIATED = ["", "user:42", "👨\u200d👩\u200d👧 ä"]

# Text on every side, whatever the machine's language is.
for stream in (sys.stdin, sys.stdout):
    stream.reconfigure(encoding="utf-8", newline="\n")

url = os.environ["COFFER_INTEROP_URL"]
vault = WorkOSClient(api_key=os.environ["COFFER_INTEROP_KEY"], base_url=url).vault


def say(*fields: str) -> None:
    print("\t".join(fields), flush=True)


def same(what: str, got: object, want: object) -> None:
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def refused(kind: type, call) -> BaseException:
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def everything(**options) -> list:
    """The names on all pages, walked by what WorkOS's server calls `before`, as its live suites do."""
    names = []
    after = None
    while True:
        page = vault.list_kv(after=after, **options)
        names += [item.name for item in page.data]
        after = page.list_metadata.before
        if not after:
            return names


class Checks:
    """Each method is a check; its name with spaces is the check's."""

    def create(self):
        self.made = vault.create_kv(key_context=CONTEXT, name=NAME, value="one")
        same("context", self.made.context, CONTEXT)
        for field in ("id", "environment_id", "key_id", "version_id"):
            if not getattr(self.made, field):
                raise AssertionError(f"no {field}")
        same("year", self.made.updated_at.year >= 2024, True)

    def read(self):
        read = vault.get_kv(self.made.id)
        same("object", (read.name, read.value, read.metadata), (NAME, "one", self.made))

    def read_by_name(self):
        read = vault.get_name(NAME)
        same("object", (read.id, read.value), (self.made.id, "one"))

    def describe(self):
        described = vault.list_kv_metadata(self.made.id)
        same("object", (described.name, described.metadata), (NAME, self.made))
        same("has a value", hasattr(described, "value"), False)

    def name_taken(self):
        refused(ConflictError, lambda: vault.create_kv(key_context=CONTEXT, name=NAME, value="two"))

    def update(self):
        self.updated = vault.update_kv(self.made.id, value="two")
        same("name", self.updated.name, NAME)
        same("same version", self.updated.metadata.version_id == self.made.version_id, False)
        same("value", vault.get_kv(self.made.id).value, "two")

    def version_conflict(self):
        stale, current = self.made.version_id, self.updated.metadata.version_id
        refused(
            ConflictError, lambda: vault.update_kv(self.made.id, value="3", version_check=stale)
        )
        refused(ConflictError, lambda: vault.delete_kv(self.made.id, version_check=stale))
        # This SDK can say null as well as nothing.
        self.updated = vault.update_kv(self.made.id, value="3", version_check=current)
        self.updated = vault.update_kv(self.made.id, value="4", version_check=None)

    def versions(self):
        versions = vault.list_kv_versions(self.made.id).data
        same("count", len(versions), 4)
        current = [version.id for version in versions if version.current_version]
        same("current", current, [self.updated.metadata.version_id])

    def list_by_cursor(self):
        self.names = [NAME] + [f"list/{i}" for i in range(LISTED)]
        for name in self.names[1:]:
            vault.create_kv(key_context=CONTEXT, name=name, value="x")
        same("names", sorted(everything(limit=2)), sorted(self.names))

    def list_all(self):
        walked = [item.name for item in vault.list_kv(order="asc")]
        same("names", walked, self.names)
        same("newest first", [item.name for item in vault.list_kv(limit=5)], self.names[::-1])
        found = vault.list_kv(search="list/1", order="asc").data
        same("found", [item.name for item in found], ["list/1", "list/10", "list/11", "list/12"])
        later = vault.list_kv(updated_after="2100-01-01T00:00:00Z").data
        same("later", len(later), 0)

    def delete(self):
        vault.delete_kv(self.made.id, version_check=self.updated.metadata.version_id)
        refused(NotFoundError, lambda: vault.get_kv(self.made.id))
        refused(NotFoundError, lambda: vault.get_name(NAME))
        refused(NotFoundError, lambda: vault.delete_kv(self.made.id))

    def name_free_again(self):
        again = vault.create_kv(key_context=CONTEXT, name=NAME, value="new")
        same("same id", again.id == self.made.id, False)

    def data_key(self):
        self.key = vault.create_data_key(context=CONTEXT)
        same("context", self.key.context, CONTEXT)
        same("bytes", len(base64.b64decode(self.key.data_key)), 32)
        opened = vault.create_decrypt(keys=self.key.encrypted_keys)
        same("key", (opened.id, opened.data_key), (self.key.id, self.key.data_key))

    def rekey(self):
        context = {"organization_id": "org_other"}
        moved = vault.create_rekey(context=context, encrypted_keys=self.key.encrypted_keys)
        same("context", moved.context, context)
        same("same blob", moved.encrypted_keys == self.key.encrypted_keys, False)
        opened = vault.create_decrypt(keys=moved.encrypted_keys)
        same("key", opened.data_key, self.key.data_key)

    def key_that_is_none(self):
        refused(BadRequestError, lambda: vault.create_decrypt(keys="AAAA"))

    def context_that_may_not_be(self):
        for context in ({}, {"a": 1}, {"a": ""}):
            refused(UnprocessableEntityError, lambda: vault.create_data_key(context=context))

    def API_key_that_is_unknown(self):
        stranger = WorkOSClient(api_key="sk_unknown", base_url=url).vault
        refused(AuthenticationError, stranger.list_kv)

    def encrypt_and_decrypt(self):
        for text in TEXTS:
            for associated in ASSOCIATED:
                written = vault.encrypt(
                    data=text, key_context=CONTEXT, associated_data=associated
                )
                opened = vault.decrypt(encrypted_data=written, associated_data=associated)
                same("text", opened, text)
                say("wrote", written, text, associated)

    def wrong_associated_data(self):
        written = vault.encrypt(data="s3cret", key_context=CONTEXT, associated_data="right")
        for wrong in ("wrong", None):
            refused(
                InvalidTag,
                lambda: vault.decrypt(encrypted_data=written, associated_data=wrong),
            )

    def open_what_coffer_wrote(self):
        lines = [line.rstrip("\n") for line in sys.stdin]
        same("many", len(lines) >= len(TEXTS) * len(ASSOCIATED), True)
        for line in lines:
            written, text, associated = line.split("\t")
            opened = vault.decrypt(encrypted_data=written, associated_data=associated)
            same("text", opened, text)


checks = Checks()
for name, method in vars(Checks).items():
    if name.startswith("_"):
        continue
    check = name.replace("_", " ")
    try:
        method(checks)
        say("ok", check)
    except Exception as error:  # whatever it is, the next check goes on
        say("fail", check, " ".join(f"{type(error).__name__}: {error}".split()))
