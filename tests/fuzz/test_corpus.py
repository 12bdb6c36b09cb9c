"""What was found by fuzzing stays found: every input of the corpus, and a few hundred mutations of each."""

import random
from pathlib import Path

import pytest

from tests.fuzz.run import CORPUS, mutated, seeds, words
from tests.fuzz.targets import TARGETS

KEPT = [pytest.param(target, file, id=f"{target}: {file.name}") for target in TARGETS
        for file in sorted((CORPUS / target).iterdir())]  # fmt: skip
MUTATIONS = 300  # of each target; `make fuzz` makes millions


@pytest.mark.parametrize(("target", "file"), KEPT)
def test_an_input_of_the_corpus(target: str, file: Path) -> None:
    TARGETS[target](file.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_mutations(target: str) -> None:
    chance = random.Random(target)
    pool, tokens = seeds(target), words(target)
    for _ in range(MUTATIONS):
        data = mutated(pool, tokens, chance)
        try:
            TARGETS[target](data)
        except Exception as e:
            e.add_note(f"input: {data!r}")
            raise


def test_every_target_has_a_corpus() -> None:
    assert {directory.name for directory in CORPUS.iterdir()} == set(TARGETS)
