"""The course of an import, as a benchmark tells it."""

from importlib import import_module

import pytest

# By its name: benchmarks are not typed as strictly as what is tested.
course = import_module("benchmarks.course")
ROWS = 1_000


def test_the_course_of_an_import_has_ten_tenths() -> None:
    """G few looks, and some before the first row T each tenth has its share of the looks around it, and all is told."""
    looks = [(0, 1.0), (0, 1.1), (0, 1.2), (750, 4.2), (ROWS, 5.2)]
    tenths = course.Course(None, lambda: 0.0, looks).per_row(ROWS)
    assert tenths == pytest.approx([6_000, *[4_000] * 9])
    assert sum(tenths) / 10 * ROWS == pytest.approx(4_200_000)
