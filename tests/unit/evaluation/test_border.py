import pytest


@pytest.mark.parametrize("number", range(4))
def test_every_arrow_brings_something_in_over_its_side(comfy_base, number):
    from driftfield.evaluation.border import FRAMES, inward_field
    from driftfield.flow_tools.beyond import margin_of
    from driftfield.flow_tools.warp import accumulate_backward

    margin = margin_of(accumulate_backward(inward_field(number), FRAMES))
    assert margin[(2, 0, 3, 1)[number]] > 15 and sum(margin) < 2 * max(margin)
