"""Threads that measure videos while the next ones are sampled."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import torch


@contextlib.contextmanager
def measuring(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool whose threads take a core each where there are several, so that the thread which samples has one, too."""
    if threads == 1:
        with ThreadPoolExecutor(1) as pool:
            yield pool
        return
    own, cv2_own = torch.get_num_threads(), cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(own)  # of threads that are still to come: those that are there have their own number
        cv2.setNumThreads(cv2_own)
