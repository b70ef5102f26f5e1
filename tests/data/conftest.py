"""A small pack for all tests of data and training."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.small import write_photos


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder)
    return folder
