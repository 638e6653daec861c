"""Damaged shards are found, named, and written again."""

import re
from pathlib import Path

import pytest
from support.prepared_folders import SMALL, contents, damage, from_folder

from hrs_keras.cli.main import main
from hrs_keras.data.audit import audit
from hrs_keras.data.pipeline import suspects_of_steps, training_batches
from hrs_keras.data.prepared.prepare import prepare_data as prepare
from hrs_keras.data.prepared.verify import verify_data as verify
from hrs_keras.data.reading import read
from hrs_keras.errors import DataError


@pytest.mark.slow
@pytest.mark.fault("shards that are damaged, cut off or gone", "`--verify` names them; `hrs prepare` writes them anew")
def test_damage_is_found_and_repaired(city_recipe, prepared, copy, capsys):
    recipe = from_folder(city_recipe(), copy)
    shard = sorted(copy.glob("target-*"))[0]
    damage(shard)
    with pytest.raises(DataError, match=rf"{shard.name} has other contents"):
        verify(city_recipe(), copy)
    sets = audit(recipe).sets
    with pytest.raises(DataError, match=rf"record 0 of .*{shard.name} is damaged"):
        list(read(training_batches(recipe, sets), recipe, suspects_of_steps(recipe, sets, 0)))
    shard.unlink()
    with pytest.raises(DataError, match=r"cannot read record 0 of .*No such file"):
        list(read(training_batches(recipe, sets), recipe, suspects_of_steps(recipe, sets, 0)))
    sorted(copy.glob("source-*"))[0].write_bytes(b"short")
    with pytest.raises(DataError, match=r"2 of the 15 shards.*(?s:.*)bytes.*(?s:.*)is missing"):
        verify(city_recipe(), copy)
    prepare(city_recipe(), copy, shard_mib=SMALL)
    assert contents(copy) == contents(prepared)
    assert verify(city_recipe(), copy) == 15
    capsys.readouterr()


@pytest.mark.fault("a shard that is damaged when a run reads it", "the run ends with a message that names it")
def test_damage_stops_a_run_with_a_message(city_recipe, copy, tmp_path, capfd):
    for shard in copy.glob("validation-*"):
        damage(shard)
    file = Path(city_recipe().runs).parent / "tiny.yaml"
    words = [f"data.prepared={copy}", f"runs={tmp_path}", "train.pictures=0", "name=x"]
    assert main(["train", str(file), *words]) == 2
    assert re.search(r"hrs: record 0 of .*validation-0-00000.* is damaged", capfd.readouterr().err)
