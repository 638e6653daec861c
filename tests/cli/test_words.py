"""What several verbs share: the file that ``--json`` names."""

import json

import pytest
from support.sample_images import full_disk

from hrs_keras.cli.words import save_json
from hrs_keras.errors import HRSError


@full_disk
@pytest.mark.fault("--json FILE on a full disk", "one message; no empty file is left, and an older one stays")
@pytest.mark.parametrize("older", [False, True])
def test_json_on_a_full_disk(tmp_path, older):
    file = tmp_path / "audit.json"
    if older:
        save_json(file, {"a": 1})
    (tmp_path / "audit.json.partial").symlink_to("/dev/full")
    with pytest.raises(HRSError, match=r"cannot write .*audit\.json: No space left on device"):
        save_json(file, {"a": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["audit.json"] * older
    assert not older or json.loads(file.read_text()) == {"a": 1}
