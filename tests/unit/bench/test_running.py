"""Running in alternation, whoever fails."""

from typing import Any, cast

from bench.report import Report
from bench.running import Axis, Case, run_all
from bench.servers import Servers
from bench.spread import Figures

NO_SERVERS = cast(Servers, None)


def _run(*cases: Case, rounds: int = 2) -> tuple[Report, list[str], list[int]]:
    report, said, kept = Report({}, {}), [], []  # type: tuple[Report, list[str], list[int]]
    axis = Axis(name="drain", title="Draining", cases=cases, rounds=rounds)
    run_all(NO_SERVERS, [axis], report, said.append, lambda: kept.append(len(kept)))
    return report, said, kept


def _case(name: str, order: list[str], error: Exception | None = None) -> Case:
    def measure(_servers: Any) -> Figures:
        order.append(name)
        if error is not None:
            raise error
        return {"per_second": 1.0}

    return Case(name=name, measure=measure)


def test_cases_take_turns() -> None:
    order: list[str] = []
    report, _, kept = _run(_case("a", order), _case("b", order))
    assert order == ["a", "b", "a", "b"]
    assert [len(row.rounds) for row in report.sections[0].rows] == [2, 2]
    assert len(kept) == len(order)


def test_who_fails_is_named_and_left_out_and_the_others_go_on() -> None:
    order: list[str] = []
    report, said, _ = _run(_case("bad", order, RuntimeError("no consumer")), _case("good", order))
    assert order == ["bad", "good", "good"]
    assert report.sections[0].rows[0].failed == "RuntimeError: no consumer"
    assert any("FAILED" in line for line in said)


def test_the_time_left_is_told() -> None:
    _, said, _ = _run(_case("a", []))
    assert "left)" not in said[0]
    assert any("min left)" in line for line in said)
