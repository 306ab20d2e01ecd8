from tests.bench.conftest import toy_everywhere  # noqa: F401 (a fixture)
