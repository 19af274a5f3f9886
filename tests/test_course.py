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


def test_a_look_at_the_run_before_counts_for_nothing() -> None:
    """W an import that was checked has not begun to be committed yet T its rows are not taken for committed ones."""
    one = course.Course(None, iter([1.0, 1.2, 2.0, 5.0]).__next__)
    for done in (0, ROWS, 250, ROWS):
        one.note(done)
    assert one.looks == [(0, 1.0), (250, 2.0), (ROWS, 5.0)]
