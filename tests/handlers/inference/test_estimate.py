"""What stands in for counts that a provider did not give."""

from handlers.inference.estimate import complete
from shared.prices.usage import Usage


def test_what_the_provider_said_is_kept() -> None:
    usage = Usage(10, 2, 3, 4, 50, 6)
    assert complete(usage, 1_000, 99) == (usage, "provider")


def test_a_class_that_was_not_split_off_is_none() -> None:
    assert complete(Usage(input=10, output=5), 1_000, 99) == (Usage(10, 0, 0, 0, 5, 0), "provider")


def test_a_direction_that_was_not_counted_is_estimated() -> None:
    assert complete(Usage(input=10), 1_000, 99) == (Usage(10, 0, 0, 0, 99, 0), "estimate")
    assert complete(Usage(output=5), 1_000, 99) == (Usage(334, 0, 0, 0, 5, 0), "estimate")
    assert complete(Usage(), 1, 0) == (Usage(1, 0, 0, 0, 0, 0), "estimate")


def test_a_running_count_of_an_answer_that_was_cut_is_not_its_output() -> None:
    assert complete(Usage(10, 0, 0, 0, 1, 0), 1_000, 99, whole=False) == (Usage(10, 0, 0, 0, 99, 0), "estimate")
    assert complete(Usage(10, 0, 0, 0, 120, 0), 1_000, 99, whole=False) == (Usage(10, 0, 0, 0, 120, 0), "provider")
