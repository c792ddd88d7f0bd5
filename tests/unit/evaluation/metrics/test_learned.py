"""LPIPS, FVD and Tem-Cons on networks with random weights in the files' own formats; and named where files lack."""

import numpy as np
import pytest
import torch
from tiny import seeded, tiny_image_encoder

from driftfield.evaluation.metrics import learned
from driftfield.evaluation.metrics.fvd import frechet_distance


class Features(torch.nn.Module):
    """Called as StyleGAN-V's I3D is: the mean of every channel and its square."""

    def forward(self, video: torch.Tensor, rescale: bool, resize: bool, return_features: bool):
        assert rescale and resize and return_features
        return torch.cat([video.mean((2, 3, 4)), video.square().mean((2, 3, 4))], dim=1) / 255


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from torchvision.models import alexnet

    folder = tmp_path_factory.mktemp("metrics")
    network = seeded(lambda: alexnet(weights=None), 0)
    torch.save(network.state_dict(), folder / "alexnet.pth")
    widths = (64, 192, 384, 256, 256)
    generator = torch.Generator().manual_seed(1)
    linear = {f"lin{i}.model.1.weight": torch.rand(1, n, 1, 1, generator=generator) for i, n in enumerate(widths)}
    torch.save(linear, folder / "lpips_alex.pth")
    torch.jit.script(Features()).save(str(folder / "i3d_torchscript.pt"))
    tiny_image_encoder().save_pretrained(folder / "clip")
    return folder


@pytest.fixture(scope="module")
def networks(folder):
    found, missing = learned.load([folder], torch.device("cpu"))
    assert missing == []
    return found


@pytest.fixture
def video():
    return torch.rand(10, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_what_lacks_is_named_with_its_files_and_place(tmp_path):
    networks, missing = learned.load([tmp_path], torch.device("cpu"))
    assert [line.split()[0] for line in missing] == ["LPIPS", "FVD", "Tem-Cons"]
    assert all("models/driftfield/metrics" in line for line in missing)
    frames = torch.zeros(10, 3, 64, 64)
    assert networks.figures(frames, frames) == {"lpips": None, "tem_cons": None, "i3d": None}


def test_equal_videos_are_at_no_distance(networks, video):
    figures = networks.figures(video, video)
    assert figures["lpips"] == pytest.approx(0, abs=1e-6)
    assert len(figures["i3d"]) == 6 and 0.5 < figures["tem_cons"] <= 1
    assert networks.figures(video[:1].expand(10, -1, -1, -1), None)["tem_cons"] == pytest.approx(1, abs=1e-5)


def test_lpips_grows_with_noise_and_is_the_published_formula(networks, video, folder):
    near, far = (networks.figures((video + level * video.flip(0)).clamp(-1, 1), video)["lpips"] for level in (0.1, 0.5))
    assert 0 < near < far
    from torchvision.models import alexnet
    from torchvision.models.feature_extraction import create_feature_extractor

    network = alexnet(weights=None).eval()
    network.load_state_dict(torch.load(folder / "alexnet.pth", weights_only=True))
    names = {f"features.{i}": str(k) for k, i in enumerate((1, 4, 7, 9, 11))}
    for layer in network.features:
        if isinstance(layer, torch.nn.ReLU):
            layer.inplace = False
    taps = create_feature_extractor(network, names)
    linear = torch.load(folder / "lpips_alex.pth", weights_only=True)
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    with torch.no_grad():
        a, b = (taps((x[:1] - shift.view(3, 1, 1)) / scale.view(3, 1, 1)) for x in (video, video.flip(0)))
        expected = sum(
            (
                ((a[k] / a[k].norm(dim=1, keepdim=True) - b[k] / b[k].norm(dim=1, keepdim=True)) ** 2)
                * linear[f"lin{k}.model.1.weight"]
            )
            .sum(1)
            .mean()
            for k in map(str, range(5))
        )
        assert networks.lpips(video[:1], video.flip(0)[:1]).item() == pytest.approx(expected.item(), rel=1e-4)


def test_frechet_distance_of_known_gaussians():
    generator = torch.Generator().manual_seed(3)
    a = torch.randn(800, 3, generator=generator)
    b = 2 * torch.randn(800, 3, generator=generator) + torch.tensor([3.0, 0.0, 0.0])
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(9 + 3 * (1 - 2) ** 2, rel=0.1)  # |m|^2 + tr (A^.5 - B^.5)^2


def test_frechet_distance_is_that_of_the_matrix_square_root():
    from scipy.linalg import sqrtm

    generator = torch.Generator().manual_seed(4)
    a, b = torch.randn(40, 6, generator=generator), torch.rand(30, 6, generator=generator)
    cov_a, cov_b = np.cov(a.numpy().astype(float).T), np.cov(b.numpy().astype(float).T)
    expected = ((a.double().mean(0) - b.double().mean(0)) ** 2).sum().item()
    expected += np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="got 1 and 30 videos"):
        frechet_distance(a[:1], b)
