"""scripts/soak.py on a few prompts: what it counts, with one that is cancelled. The command runs a hundred."""

import soak


def test_a_cancel_among_prompts_loses_none(client, server):
    finished, interrupted, lost, growth_mb = soak.run(soak.WARM + 1, client, server.rss_mb)
    assert (finished, interrupted, lost) == (soak.WARM, 1, 0)
    assert growth_mb < soak.GROWTH_MB
