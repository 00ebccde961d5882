"""Whatever a member or a judge replies in a debate, nothing raises and nobody moves to a stance that does not exist."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fusion.engine.debate.ledger import Ledger
from fusion.engine.debate.moves import Debater, position_of
from fusion.engine.debate.partial import partial_position, partial_ruling
from fusion.engine.debate.wire import Unreadable, read_ruling
from fusion.engine.types import FinishReason
from tests.engine.test_debate_ledger import ANSWER, QUESTION, SHOWN, entry, read
from tests.exhaustive.examples import examples

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["d1", "K7T", "new"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*entry(), "disputes", "base", "rationale", "basis", "test"]), inner, max_size=8
        )
    ),
    max_leaves=30,
)


@examples
@given(JSON, st.integers(0, 400))
def test_no_reply_whatever_it_holds_raises_or_moves_to_an_unknown_stance(found: Any, end: int) -> None:
    entries = found if isinstance(found, list) else [found]
    for raw in (
        json.dumps(found),
        json.dumps({"disputes": entries}),
        json.dumps({"disputes": entries, "base": found})[:end],
    ):
        rebuttal = read(raw)
        if not isinstance(rebuttal, Unreadable):
            ledger = Ledger(SHOWN.disputes, "ABC")
            debater = Debater("C", ANSWER, QUESTION)
            placed = position_of(*rebuttal, number=1, debater=debater, shown=SHOWN, ledger=ledger)
            ended = ledger.close_round(1, [placed])
            assert sorted(letter for one in ended.disputes[0].stances for letter in one.letters) == ["A", "B", "C"]
        ruling = read_ruling(raw, finish=FinishReason.STOP, shown=SHOWN, answers=["N8C"])
        assert isinstance(ruling, Unreadable) or ruling[0].base == "N8C"
        partial_position(raw, SHOWN.labels, SHOWN.disputes)
        partial_ruling(raw, SHOWN.labels, SHOWN.disputes)
