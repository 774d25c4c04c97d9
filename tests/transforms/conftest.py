"""A plane and a volume to test on."""

import pytest
from world import Case


@pytest.fixture(scope="session", params=[2, 3], ids=["plane", "volume"])
def case(request):
    return Case(request.param)
