"""The forward and backward pass of a training step."""

import torch


class Step:
    """Mean loss and gradients of a module on batches of one shape; one CUDA graph on a GPU, for SVD's many layers."""

    def __init__(self, module: torch.nn.Module, batch: dict[str, torch.Tensor], *, graph: bool):
        """graph: whether a GPU is to record its kernels once and repeat them, which pays for small networks."""
        self.module, self.graph = module, None
        if not graph or next(module.parameters()).device.type != "cuda":
            return
        self.batch = {name: value.clone() for name, value in batch.items()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.run(self.batch)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        module.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):  # NCCL's watchdog may look on
            self.loss = self.run(self.batch)

    def run(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        self.module.zero_grad(set_to_none=True)
        loss = self.module(**batch).mean()
        loss.backward()
        return loss.detach()

    def __call__(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        if self.graph is None:
            return self.run(batch)
        for name, value in batch.items():
            self.batch[name].copy_(value)
        self.graph.replay()
        return self.loss.clone()
