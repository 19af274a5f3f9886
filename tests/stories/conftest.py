"""What all stories share."""

from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    """Have calls of CRMs tried again at once."""
    with stamina.set_testing(testing=True, attempts=8):
        yield
