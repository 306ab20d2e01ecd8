import numpy as np

from bench.results.statistics.pareto import dominates, pareto_front


def by_brute_force(points):
    return {index for index, point in enumerate(points) if not any(dominates(other, point) for other in points)}


def test_pareto_front_by_brute_force():
    generator = np.random.default_rng(0)
    for _ in range(300):
        size = generator.integers(1, 30), generator.integers(1, 5)
        points = [tuple(map(float, point)) for point in generator.integers(0, 8, size=size)]
        front = pareto_front(points)
        assert set(front) == by_brute_force(points)
        assert len(set(front)) == len(front)
        assert [points[i] for i in front] == sorted(points[i] for i in front)


def test_equal_points_do_not_dominate_each_other():
    assert not dominates((1, 2), (1, 2))
    assert dominates((1, 2), (1, 3))
    assert not dominates((0, 3), (1, 2))
    assert pareto_front([(1, 2), (1, 2), (2, 2)]) == [0, 1]
    assert pareto_front([]) == []
