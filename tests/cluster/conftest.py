from tests.bench import conftest as toys

toy_everywhere = toys.toy_everywhere
