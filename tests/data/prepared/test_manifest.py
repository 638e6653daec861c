"""Plans and manifests: those of older versions keep their bytes; edited and damaged ones are refused."""

import json

import pytest
from support.prepared_folders import SMALL, from_folder, manifest_of

from hrs_keras.data.audit import audit
from hrs_keras.data.prepared.manifest import Manifest, Plan, ShardNote, sealed, unsealed
from hrs_keras.data.prepared.prepare import prepare_data as prepare
from hrs_keras.data.prepared.verify import verify_data as verify
from hrs_keras.errors import DataError


@pytest.mark.fault("a manifest of a prepared folder that is no JSON", "refused, and named")
@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", '{"format": "hrs-prepared", "version": 1}'])
def test_a_manifest_that_is_none(city_recipe, copy, text):
    (copy / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"manifest\.json was edited or damaged .*prepare the data again"):
        audit(from_folder(city_recipe(), copy))


@pytest.mark.fault("a folder prepared by another version's format", "refused; both versions are named")
def test_a_manifest_of_another_version(city_recipe, copy):
    (copy / "manifest.json").write_bytes(sealed(manifest_of(copy) | {"version": 9}))
    with pytest.raises(DataError, match=r"manifest\.json is of .*9.*prepare the data again"):
        audit(from_folder(city_recipe(), copy))


def test_reading_and_writing_keeps_the_bytes(prepared):
    """A shard's size that was given as a whole number stays one."""
    written = (prepared / "manifest.json").read_bytes()
    assert Manifest.from_plain(unsealed(written)).to_bytes() == written
    for shard_mib in (256, 256.0):
        plan = unsealed(written) | {"shard_mib": shard_mib}
        for shard in (shard for one in plan["sets"] for shard in one["shards"]):
            for key in ShardNote.model_fields:
                del shard[key]
        assert Plan.from_plain(plan).to_bytes() == sealed(plan)


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda manifest: manifest.pop("made_with"), "made_with: Field required"),
        (lambda manifest: manifest["sets"][2]["shards"][0].pop("crc32"), r"sets\.2\.shards\.0\.crc32: Field required"),
        (lambda manifest: manifest["sets"][0]["audit"].update(pixels=3), r"sets\.0\.audit\.pixels: "),
        (lambda manifest: manifest.update(more=3), "more: Extra inputs are not permitted"),
    ],
)
def test_a_manifest_that_says_something_else(city_recipe, copy, edit, what):
    manifest = manifest_of(copy)
    edit(manifest)
    (copy / "manifest.json").write_bytes(sealed(manifest))
    with pytest.raises(DataError, match=rf"manifest\.json was edited or damaged \({what}.*\); prepare the data again"):
        audit(from_folder(city_recipe(), copy))


EDITS = {
    "a key gone": lambda stored: stored.pop("audit"),
    "a shard gone": lambda stored: stored["shards"].pop(),
    "shards in another order": lambda stored: stored["shards"].reverse(),
    "fewer records": lambda stored: [stored["shards"][0][key].pop() for key in ("lengths", "crc32")],
}


@pytest.mark.fault("a manifest that was edited by hand", "refused by its seal")
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", ["manifest.json", "plan.json"])
def test_an_edited_manifest(city_recipe, copy, edit, name):
    """Whoever reads it refuses it: samples must not silently be others."""
    manifest = json.loads((copy / "manifest.json").read_text())
    EDITS[edit](manifest["sets"][2])
    (copy / "manifest.json").unlink()
    (copy / name).write_text(json.dumps(manifest))
    readers = [
        lambda: audit(from_folder(city_recipe(), copy)),
        lambda: verify(city_recipe(), copy),
        lambda: prepare(city_recipe(), copy, shard_mib=SMALL),
    ]
    for read in readers if name == "manifest.json" else readers[::2]:
        with pytest.raises(DataError, match=rf"{name} was edited or damaged .*prepare the data again in another"):
            read()
