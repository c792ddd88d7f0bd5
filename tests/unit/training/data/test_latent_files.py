"""Encoded clips on disk: what comes back is what was written, whoever wrote it."""

import pytest
import torch
from tiny import tiny_vae

from driftfield.training.data import latent_files
from driftfield.training.data.latent_files import FIELDS, StoredClips, fingerprint, store
from driftfield.training.data.latents import LatentClips, joined


def clips(count: int, seed: int) -> LatentClips:
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(count, 3, 4, 2, 2, generator=generator).half()
    flow = torch.randn(count, 2, 2, 8, 8, generator=generator).half()
    images = torch.randint(0, 256, (count, 3, 16, 16), generator=generator, dtype=torch.uint8)
    return LatentClips(latents, latents + 1, flow, images, torch.rand(count, generator=generator))


def test_rows_come_back_from_several_files_and_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(latent_files, "PART_CLIPS", 4)
    first = [clips(n, seed) for n, seed in ((3, 0), (2, 1), (1, 2))]
    second = [clips(4, 3)]
    store(tmp_path, first, 0)
    store(tmp_path, second, 1)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [f"part-{p}.safetensors" for p in ("000-00000", "000-00001", "001-00000")]
    stored, whole = StoredClips(files), joined([*first, *second])
    assert len(stored) == len(whole) == 10
    index = torch.tensor([9, 0, 5, 4, 5, 6])
    taken = stored.take(index, torch.device("cpu"))
    for name in FIELDS:
        assert torch.equal(getattr(taken, name), getattr(whole, name)[index]), name
        assert getattr(taken, name).dtype == getattr(whole, name).dtype


def test_no_files_are_no_clips():
    assert len(StoredClips([])) == 0


@pytest.mark.parametrize("what", ["data", "encoder", "settings"])
def test_the_fingerprint_tells_sets_apart(tmp_path, what):
    index, vae = tmp_path / "index.json", tiny_vae()
    index.write_text("{}", encoding="utf-8")
    before = fingerprint(tmp_path, vae, 25, 16)
    assert before == fingerprint(tmp_path, tiny_vae(), 25, 16)
    if what == "data":
        index.write_text('{"clips": []}', encoding="utf-8")
    after = fingerprint(tmp_path, tiny_vae(seed=5) if what == "encoder" else vae, 25, 8 if what == "settings" else 16)
    assert after != before
