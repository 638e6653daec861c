"""The audit of the files of one data set."""

import logging
import os
from dataclasses import replace

from tqdm import tqdm

from hrs_keras.data.audit_cache import cache_file, read_cached, write_cached
from hrs_keras.data.check import SampleCheck, check_image, check_sample
from hrs_keras.data.decode import IdMap
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.report import UNREAD, DatasetAudit
from hrs_keras.data.tally import Tally
from hrs_keras.labels import LabelSpace
from hrs_keras.system.storage import StoragePath
from hrs_keras.system.threads import map_in_threads

log = logging.getLogger(__name__)


def audit_files(role: str, pairs: Pairs, space: LabelSpace) -> DatasetAudit:
    """What an audit finds in the files of a data set, or found earlier and kept in the cache.

    Args:
        role: of the data set.
        pairs: its samples.
        space: the classes to count.
    """
    cache = cache_file(pairs, space)
    if cache and (stored := read_cached(cache)):
        return replace(stored, role=role, name=pairs.name)  # other roles may read the same files
    log.info("auditing %s: %d samples", pairs.name, len(pairs))
    report = _check_all(role, pairs, space)
    if cache and not any(problem.what.startswith(UNREAD) for problem in report.problems):
        write_cached(cache, report)
    return report


def _check_all(role: str, pairs: Pairs, space: LabelSpace) -> DatasetAudit:
    """Decode every sample, and add up what is found."""
    tally, dataset = Tally(pairs, space), pairs.dataset
    ids = None if dataset.labels is None else IdMap(dataset, space)

    def check(image: StoragePath, label: StoragePath | None) -> SampleCheck:
        return check_image(image, dataset) if label is None or ids is None else check_sample(image, label, dataset, ids)

    labels = [None] * len(pairs) if ids is None else pairs.labels
    with map_in_threads(check, pairs.images, labels, threads=os.cpu_count() or 1) as checks:
        for position, found in enumerate(tqdm(checks, total=len(pairs), unit="sample", disable=None)):
            tally.add(position, found)
    return tally.report(role)
