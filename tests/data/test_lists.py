"""`only` and `except`: which images of a data set a list leaves, and what a run does when a list changes."""

import numpy as np
import pytest

from hrs_keras.data.audit import audit, usable_samples
from hrs_keras.data.finding import find_pairs
from hrs_keras.data.inventory import describe_changes, take_inventory
from hrs_keras.data.prepared.prepare import prepare_data
from hrs_keras.errors import DataError
from hrs_keras.recipe.comparing import compare
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.recipe.reading import load_recipe

PIXELS = np.zeros((8, 12), np.uint8)


@pytest.fixture
def root(tmp_path, save):
    """Images and labels a/1, a/2, b/1, b/3 and b/x#y; an image a/alone without a label, a label b/lost without one."""
    for name in ("a/1", "a/2", "b/1", "b/3", "b/x#y"):
        save(tmp_path / f"set/images/{name}.jpg", PIXELS[..., None].repeat(3, -1))
        save(tmp_path / f"set/labels/{name}.png", PIXELS)
    save(tmp_path / "set/images/a/alone.jpg", PIXELS[..., None].repeat(3, -1))
    save(tmp_path / "set/labels/b/lost.png", PIXELS)
    return tmp_path


def listed(root, text: str, name: str = "list.txt") -> str:
    (root / name).write_text(text, encoding="utf-8")
    return str(root / name)


def found(root, **lists: str):
    return find_pairs(Dataset(root="set", images="images/*/*", labels="labels/*/*", ids="camvid", **lists), root)


def names(pairs) -> list[str]:
    return [path.relative_to(path.parents[1]).as_posix() for path in pairs.images]


def test_only(root):
    text = "# the good ones\n\nimages/a/1.jpg\n  3  \nx#y.jpg\r\n./images/a/2.jpg\n"
    pairs = found(root, only=listed(root, text))
    assert names(pairs) == ["a/1.jpg", "a/2.jpg", "b/3.jpg", "b/x#y.jpg"]
    assert [path.name for path in pairs.labels] == ["1.png", "2.png", "3.png", "x#y.png"]
    assert pairs.orphans == ()


def test_except(root):
    pairs = found(root, **{"except": listed(root, "2\nalone\nimages/b/1.jpg\n")})
    assert names(pairs) == ["a/1.jpg", "b/3.jpg", "b/x#y.jpg"]
    assert [path.name for path in pairs.orphans] == ["lost.png"]


def test_both(root):
    lists = {"only": listed(root, "2\n3\n"), "except": listed(root, "2\n", "without.txt")}
    assert names(found(root, **lists)) == ["b/3.jpg"]


def test_without_lists_all_is_found(root):
    assert len(found(root)) == 5 and len(found(root).orphans) == 2


def test_a_listed_image_without_a_label_is_still_an_orphan(root):
    assert [path.name for path in found(root, only=listed(root, "2\nalone\n")).orphans] == ["alone.jpg"]


def test_accents_may_be_spelt_otherwise(root, save):
    save(root / "set/images/a/cafe\u0301.jpg", PIXELS)
    save(root / "set/labels/a/caf\u00e9.png", PIXELS)
    assert names(found(root, only=listed(root, "\ufeffcaf\u00e9\n"))) == ["a/cafe\u0301.jpg"]


@pytest.mark.fault(
    "a list that names no image, or a name that several have; or is missing, empty or no text",
    "refused: the list, the line, the nearest name",
)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "2\nimages/a/11.jpg\nnone\n",
            r"line 2: 'images/a/11.jpg' is no image of .*set \(train\) \(2 names of the list ",
        ),
        ("images/a/11.jpg\n", r"line 1: .* is no image of .*\. Did you mean 'images/a/1.jpg'\?"),
        ("zzzzzzzzzz\n", r"line 1: 'zzzzzzzzzz' is no image of .*\. An image is called '1'\."),
        ("1\n", r"line 1: 2 images of .* are called '1' \(images/a/1.jpg, images/b/1.jpg\); write the path of the one"),
        ("lost\n", "line 1: 'lost' is no image"),
    ],
)
@pytest.mark.parametrize("key", ["only", "except"])
def test_lists_that_do_not_fit(root, key, text, message):
    with pytest.raises(DataError, match=rf"^{key}: .*list.txt, {message}"):
        found(root, **{key: listed(root, text)})


@pytest.mark.fault("a list that leaves no image", "refused")
def test_lists_that_leave_nothing(root):
    with pytest.raises(DataError, match=r"set \(train\): only: .*list.txt leave none of the 6 images"):
        found(root, only=listed(root, "# nothing yet\n"))
    with pytest.raises(DataError, match=r"except: .*list.txt leave none of the 6 images"):
        found(root, **{"except": listed(root, "images/a/1.jpg\nimages/b/1.jpg\n2\n3\nx#y\nalone")})


@pytest.mark.fault("a list that is missing, or is no text", "refused, and named")
def test_lists_that_cannot_be_read(root):
    with pytest.raises(DataError, match=r"cannot read the list .*gone.txt: No such file"):
        found(root, only=str(root / "gone.txt"))
    (root / "list.txt").write_bytes(b"\xff\xfe1\n")
    with pytest.raises(DataError, match=r"the list .*list.txt is no text file in UTF-8"):
        found(root, only=str(root / "list.txt"))


@pytest.mark.fault("a list that names an image twice", "a warning")
def test_names_that_stand_twice(root, capsys):
    pairs = found(root, only=listed(root, "2\n3\nimages/a/2.jpg\n2\n"))
    assert names(pairs) == ["a/2.jpg", "b/3.jpg"]
    assert (
        "names 2 images twice (images/a/2.jpg in lines 1 and 3, images/a/2.jpg in lines 1 and"
        in capsys.readouterr().out
    )


# ---- in a recipe -------------------------------------------------------------------------------------------------


def recipe_of(make_recipe, root, **fields):
    target = {"root": "set", "images": "images/*/*", "labels": "labels/*/*", **fields}
    return make_recipe(root, [target], data__on_bad="skip")


def test_a_recipe_is_stored_with_its_lists(make_recipe, root, tmp_path):
    recipe = recipe_of(make_recipe, root, **{"except": listed(root, "2\n")})
    (tmp_path / "stored.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "stored.yaml") == recipe
    assert recipe.to_dict()["data"]["target"][0]["except"] == str(root / "list.txt")
    assert recipe.digest() != recipe_of(make_recipe, root).digest()


@pytest.mark.fault("a misspelt key of a data set", "refused, with the nearest valid one")
def test_a_misspelt_list(refusal):
    assert "target.0.exept: unknown key. Did you mean 'except'?" in refusal("data.target=[{format: camvid, exept: x}]")


def test_what_a_list_says_counts_not_where_it_is(make_recipe, root):
    one = recipe_of(make_recipe, root, only=listed(root, "2\n3\n"))
    moved = recipe_of(make_recipe, root, only=listed(root, "# moved\n3\n2\n", "other.txt"))
    changed = recipe_of(make_recipe, root, only=listed(root, "2\n", "short.txt"))
    taken, again, short = (take_inventory(recipe, audit(recipe)) for recipe in (one, moved, changed))
    assert compare(one, moved).numbers == [] and [line.split(":")[0] for line in compare(one, moved).free] == [
        "data.target.0.only",
        "data.validation.0.only",
    ]
    assert describe_changes(taken, again) == []
    assert describe_changes(taken, short)[0].startswith("target.0: 1 file removed (images/b/3.jpg)")


def test_a_prepared_folder_holds_what_the_list_leaves(make_recipe, root, tmp_path):
    prepare_data(recipe_of(make_recipe, root, only=listed(root, "2\n3\n")), tmp_path / "out")

    def prepared(text: str):
        recipe = recipe_of(make_recipe, root, only=listed(root, text))
        data = recipe.data.model_copy(update={"prepared": str(tmp_path / "out")})
        return recipe.model_copy(update={"data": data})

    (pairs,) = usable_samples(prepared("3\n2\n"), "target")
    assert [path.name for path in pairs.images] == ["2.jpg", "3.jpg"] and pairs.records is not None


@pytest.mark.fault("a prepared folder, and a list that has changed since", "refused")
def test_a_folder_that_was_prepared_with_another_list(make_recipe, root, tmp_path):
    path = listed(root, "2\n3\n")
    prepare_data(recipe_of(make_recipe, root, only=path), tmp_path / "out")
    recipe = recipe_of(make_recipe, root, only=listed(root, "2\n"))
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"prepared": str(tmp_path / "out")})})
    with pytest.raises(DataError, match=r"target\.0\.only: 2 names, \w+ was prepared, the recipe wants 1 names, "):
        audit(recipe)
