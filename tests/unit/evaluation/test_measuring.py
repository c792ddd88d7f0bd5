"""The threads that measure: a core each, and all cores for the thread that samples."""

import cv2
import pytest
import torch


@pytest.mark.parametrize("threads, each", [(1, 2), (3, 1)])
def test_threads_share_the_cores(comfy_base, threads, each):
    from driftfield.evaluation.measuring import measuring

    before, cv2_before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    try:
        with measuring(threads) as pool:
            assert {pool.submit(torch.get_num_threads).result() for _ in range(8)} == {each}
            assert torch.get_num_threads() == 2
            assert pool.submit(cv2.getNumThreads).result() == (1 if threads > 1 else cv2_before)
        with measuring(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 2
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, cv2_before)
    finally:
        torch.set_num_threads(before)
