"""The table of latencies: medians over the rounds, ratios within a round."""

from __future__ import annotations

from latency import STEPS, table


def row(whole: float) -> dict[str, float]:
    return {**dict.fromkeys(STEPS, 1.0), "whole": whole}


def test_ratios_are_those_of_one_round() -> None:
    """20/10, 30/20, 90/30: 2, 1.5, 3; medians 20 and 30, whose ratio 1.5 would mislead."""
    rounds = [{"ours": row(a), "peer": row(b)} for a, b in [(10, 20), (20, 30), (30, 90)]]
    head, ours, peer = (line.split() for line in table(rounds).splitlines())
    assert head == [*STEPS, "ratio", "from", "to"]
    assert ours == ["ours", "20.0", "1.0", "1.0", "1.0", "1.0", "1.00", "1.00", "1.00"]
    assert peer == ["peer", "30.0", "1.0", "1.0", "1.0", "1.0", "2.00", "1.50", "3.00"]


def test_parts_that_a_peer_does_not_tell_are_dashes() -> None:
    *_, peer = table([{"ours": row(10), "peer": {"whole": 15.0}}]).splitlines()
    assert peer.split() == ["peer", "15.0", *"----", "1.50", "1.50", "1.50"]
