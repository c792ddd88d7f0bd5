import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from driftfield.flow_tools.flo import read_flo, write_flo


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_round_trip(tmp_path_factory, height, width, seed):
    flow = torch.randn(1, 2, height, width, generator=torch.Generator().manual_seed(seed))
    path = tmp_path_factory.mktemp("flo") / "a.flo"
    write_flo(path, flow)
    assert torch.equal(read_flo(path), flow)


def test_bytes_are_those_of_the_format(tmp_path):
    flow = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # x: 1, 2; y: 3, 4
    write_flo(tmp_path / "a.flo", flow)
    assert (tmp_path / "a.flo").read_bytes() == b"PIEH" + struct.pack("<ii4f", 2, 1, 1, 3, 2, 4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "got 0 bytes"),
        (b"RIFF" + bytes(20), "begins with b'RIFF', allowed b'PIEH'"),
        (b"PIEH" + struct.pack("<ii", 2, 2) + bytes(31), "got 43 bytes for 2x2, allowed 44"),
        (b"PIEH" + struct.pack("<ii", 2, 2) + bytes(33), "got 45 bytes for 2x2, allowed 44"),
        (b"PIEH" + struct.pack("<ii", -1, -1) + bytes(8), "got 20 bytes for -1x-1"),
        (b"PIEH" + struct.pack("<ii2f", 1, 1, float("nan"), 0), "bad.flo: got 1 NaN"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, data, message):
    path = tmp_path / "bad.flo"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"bad.flo: .*|{message}") as error:
        read_flo(path)
    assert message.split("bad.flo: ")[-1] in str(error.value)


def test_only_one_field_is_written(tmp_path):
    with pytest.raises(ValueError, match="got 2 fields"):
        write_flo(tmp_path / "a.flo", torch.zeros(2, 2, 3, 3))
