"""Files that one process has for itself."""

from hrs_keras.system.locks import lock


def test_a_lock_is_one_open_files_alone_and_ends_with_it(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    with open(path) as one, open(path) as other:
        assert lock(one) and not lock(other)
    with open(path) as other:
        assert lock(other)
