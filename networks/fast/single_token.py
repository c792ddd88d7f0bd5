"""Cross-attention to one token, the image's embedding, as SVD has it: exact without queries and without attention."""

from diffusers.models.attention import Attention
from torch import Tensor


def attend_to_token(attention: Attention, token: Tensor) -> Tensor:
    """token [B, 1, D] → [B, 1, C], what every query gets: a softmax over one key is 1, which leaves W_O W_V token."""
    return attention.to_out[0](attention.to_v(token))


class SingleTokenAttention:
    """The same as a diffusers attention processor."""

    def __call__(
        self, attention: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor, **_: object
    ) -> Tensor:
        return attend_to_token(attention, encoder_hidden_states).expand_as(hidden_states)
