"""ISO at inference in plain eager PyTorch, for comparison: no public code exists.

What somebody would write down from the paper: modules, autograd, `torch.optim.Adam`. It
does the same work as `tfpose.iso.adapt` without the guard and the limit of jumps, from
the same weights, in the same random views. Needs `pip install .[peers]`.
"""

import importlib.util
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpose.errors import InputError
from tfpose.iso.options import ISOOptions

__all__ = ["PeerISO"]

_SLOPE = 0.01
# Smallest size of a person in an image, as in `tfpose.geometry`.
_SMALLEST = 1e-4
_RECURRENCE = np.array([0.7548776662466927, 0.5698402909980532], np.float32)
_REFINE_RATE = 0.02


class PeerISO:
    """A stream of samples, each answered after adapting to it.

    Args:
        weights: arrays by name, of `benchmarks.iso_nets.export_weights`.
        shape: of `benchmarks.iso_nets.net_shape`.
        task: `refine` or `cycle`.
        options: steps, learning_rate, online, copies, view_tilt and the refinement's
            are read.
        fused: Adam in one kernel for all weights.

    Raises:
        InputError: torch is not installed.
    """

    def __init__(
        self,
        weights: Mapping[str, np.ndarray],
        shape: Mapping[str, Any],
        task: str,
        options: ISOOptions,
        fused: bool = False,
    ) -> None:
        if importlib.util.find_spec("torch") is None:
            raise InputError("torch is not installed: pip install .[peers]")
        import torch

        self._torch, self._shape, self._options = torch, shape, options
        self._task, self._fused = task, fused
        make = _Layers(torch, weights)
        count = shape["blocks"]
        self._extractor = make.sequence(
            "extractor", [f"block{i}" for i in range(count)], first="expand"
        )
        self._head = make.sequence("head", [f"block{count}"], last="head")
        moved = [self._extractor]
        if task == "cycle":
            self._ssl_head = make.sequence("ssl_head", [f"block{count}"], last="head")
            self._prior = make.discriminator("prior")
            moved.append(self._ssl_head)
        for part in (*moved, self._head):
            for name, parameter in part.named_parameters():
                parameter.requires_grad_(part is not self._head and "norm" not in name)
        self._moved = [p for m in moved for p in m.parameters() if p.requires_grad]
        self._of_prior = list(self._prior.parameters()) if task == "cycle" else []
        self._trained = [p.detach().clone() for p in [*self._moved, *self._of_prior]]
        self._limbs = [
            (child, parent)
            for child, parent in enumerate(shape["parents"])
            if parent >= 0
        ]
        self._start()

    def _start(self) -> None:
        """The trained weights, new moments, the first random views."""
        with self._torch.no_grad():
            for p, trained in zip(
                [*self._moved, *self._of_prior], self._trained, strict=True
            ):
                p.copy_(trained)
        self._optimizer = self._torch.optim.Adam(
            [*self._moved, *self._of_prior],
            lr=self._options.learning_rate,
            fused=self._fused,
        )
        self._phase = np.zeros(2, np.float32)

    def __call__(self, keypoints: np.ndarray) -> np.ndarray:
        """Positions `[1, J, 3]`, metres, of keypoints `[1, J, 2]`, normalised."""
        torch = self._torch
        if not self._options.online:
            self._start()
        pose = torch.from_numpy(keypoints)
        step = self._refine_step if self._task == "refine" else self._cycle_step
        for _ in range(self._options.steps):
            step(pose)
        with torch.no_grad():
            return self._lift(pose, self._head).numpy()

    # === Steps ===

    def _refine_step(self, pose: Any) -> None:
        torch, copies = self._torch, self._options.copies
        with torch.no_grad():
            lifted = self._lift(pose, self._head)
        refined = self._refined(lifted, pose)
        turned = self._turn(refined.expand(copies, -1, -1), self._views())
        inputs = torch.cat([pose, self._seen_like(turned, pose)])
        truth = torch.cat([refined, turned])
        shares = torch.tensor([0.5, *[0.5 / copies] * copies])
        off = self._lift(inputs, self._head) - truth
        self._optimizer.zero_grad()
        (shares * off.square().sum(dim=(1, 2))).sum().backward()
        self._optimizer.step()

    def _cycle_step(self, pose: Any) -> None:
        torch = self._torch
        pose = pose.repeat(self._options.copies, 1, 1)
        rotations, softplus = self._views(), torch.nn.functional.softplus
        lifted = self._lift(pose, self._ssl_head)
        seen = self._view(self._turn(lifted, rotations))
        again = self._lift(self._placed(seen, pose), self._ssl_head)
        back = self._turn(again, rotations.transpose(1, 2))
        real = self._centre(pose)
        loss = softplus(-self._prior(seen)).mean()
        loss = loss + self._shape["cycle_weight_2d"] * _squares(self._view(back) - real)
        loss = loss + self._shape["cycle_weight_3d"] * _squares(back - lifted)
        own = softplus(-self._prior(real)).mean()
        own = own + softplus(self._prior(seen.detach())).mean()
        gradients = torch.autograd.grad(loss, self._moved)
        gradients += torch.autograd.grad(own, self._of_prior)
        for parameter, gradient in zip(
            [*self._moved, *self._of_prior], gradients, strict=True
        ):
            parameter.grad = gradient
        self._optimizer.step()

    def _refined(self, lifted: Any, pose: Any) -> Any:
        torch, options = self._torch, self._options
        target = self._centre(pose)
        mean, std = (torch.tensor(self._shape[key]) for key in ("mean", "std"))
        body = lifted.clone().requires_grad_()
        optimizer = torch.optim.Adam([body], lr=_REFINE_RATE)
        for step in range(options.refine_steps):
            optimizer.param_groups[0]["lr"] = _REFINE_RATE * (
                1 - step / options.refine_steps
            )
            limbs = torch.stack([body[:, c] - body[:, p] for c, p in self._limbs], 1)
            objective = (
                (self._view(body) - target).square().sum()
                + options.limb_weight
                * ((limbs.norm(dim=-1) - mean) / std).square().sum()
                + options.stay_weight * (body - lifted).square().sum()
            )
            optimizer.zero_grad()
            objective.backward()
            body.grad[:, self._shape["root"]] = 0
            optimizer.step()
        return body.detach()

    # === Geometry ===

    def _lift(self, keypoints: Any, head: Any) -> Any:
        torch, root = self._torch, self._shape["root"]
        if self._shape["centred"]:
            keypoints = self._centre(keypoints)
        flat = head(self._extractor(keypoints.flatten(1)))
        rows = flat.view(len(flat), -1, 3)
        zero = torch.zeros(len(flat), 1, 3)
        return torch.cat([rows[:, :root], zero, rows[:, root:]], 1)

    def _views(self) -> Any:
        """Rotations `[copies, 3, 3]` of the next random views."""
        count = self._options.copies
        steps = np.arange(count, dtype=np.float32)[:, None] * _RECURRENCE
        azimuth, pitch = np.modf(self._phase + steps)[0].T
        self._phase = np.modf(self._phase + np.float32(count) * _RECURRENCE)[0]
        refine = self._task == "refine"
        tilt = self._options.view_tilt if refine else self._shape["view_elevation"]
        tilt = math.radians(tilt) * (2 * pitch - 1)
        turn = 2 * math.pi * azimuth
        zero, one = np.zeros(count), np.ones(count)
        (ct, st), (cp, sp) = (np.cos(turn), np.sin(turn)), (np.cos(tilt), np.sin(tilt))
        about_y = np.array([[ct, zero, st], [zero, one, zero], [-st, zero, ct]])
        about_x = np.array([[one, zero, zero], [zero, cp, -sp], [zero, sp, cp]])
        both = np.einsum("ijn,jkn->nik", about_x, about_y)
        return self._torch.from_numpy(both.astype(np.float32))

    def _turn(self, bodies: Any, rotations: Any) -> Any:
        root = bodies[:, [self._shape["root"]]]
        return (bodies - root) @ rotations.transpose(1, 2) + root

    def _size(self, points: Any) -> Any:
        off = points - points[:, [self._shape["root"]]]
        mean = off.square().sum(dim=(1, 2), keepdim=True) / points.shape[1]
        return mean.clamp_min(_SMALLEST**2).sqrt()

    def _centre(self, points: Any) -> Any:
        return (points - points[:, [self._shape["root"]]]) / self._size(points)

    def _view(self, bodies: Any) -> Any:
        distance = self._shape["distance"]
        depth = (bodies[..., 2:] + distance).clamp_min(0.1 * distance)
        return self._centre(bodies[..., :2] / depth)

    def _placed(self, seen: Any, pose: Any) -> Any:
        return seen * self._size(pose) + pose[:, [self._shape["root"]]]

    def _seen_like(self, bodies: Any, pose: Any) -> Any:
        return self._placed(self._view(bodies), pose)


def _squares(off: Any) -> Any:
    """Sum over joints, mean over the batch."""
    return off.square().sum(dim=(1, 2)).mean()


class _Layers:
    """Makes modules with the weights of a Keras net, which are copied."""

    def __init__(self, torch: Any, weights: Mapping[str, np.ndarray]) -> None:
        self._torch, self._weights = torch, weights

    def _dense(self, name: str) -> Any:
        kernel = self._weights[f"{name}.kernel"]
        layer = self._torch.nn.Linear(*kernel.shape)
        self._fill(layer.weight, kernel.T)
        self._fill(layer.bias, self._weights[f"{name}.bias"])
        return layer

    def _norm(self, name: str) -> Any:
        of = {
            key: self._weights[f"{name}.{key}"]
            for key in ("gamma", "beta", "moving_mean", "moving_variance")
        }
        layer = self._torch.nn.BatchNorm1d(len(of["gamma"]), eps=1e-5)
        for target, values in zip(
            (layer.weight, layer.bias, layer.running_mean, layer.running_var),
            of.values(),
            strict=True,
        ):
            self._fill(target, values)
        return layer.eval()

    def _leaky(self) -> Any:
        return self._torch.nn.LeakyReLU(_SLOPE)

    def _fill(self, target: Any, values: np.ndarray) -> None:
        with self._torch.no_grad():
            target.copy_(self._torch.from_numpy(values.copy()))

    def _layer(self, name: str, index: str = "") -> list[tuple[str, Any]]:
        return [
            (f"dense{index}", self._dense(f"{name}_dense{index}")),
            (f"norm{index}", self._norm(f"{name}_norm{index}")),
            (f"act{index}", self._leaky()),
        ]

    def _chain(self, layers: Sequence[tuple[str, Any]]) -> Any:
        chain = self._torch.nn.Sequential()
        for name, layer in layers:
            chain.add_module(name, layer)
        return chain

    def sequence(
        self, part: str, blocks: Sequence[str], first: str = "", last: str = ""
    ) -> Any:
        """A layer, residual blocks and a last dense layer, as far as they are named."""
        layers = self._layer(f"{part}.{first}") if first else []
        for block in blocks:
            name = f"{part}.{block}"
            inner = self._chain([*self._layer(name, "1"), *self._layer(name, "2")])
            layers.append((block, _residual(self._torch, inner)))
        if last:
            layers.append((last, self._dense(f"{part}.{last}")))
        return self._chain(layers)

    def discriminator(self, part: str) -> Any:
        """`tfpose.iso.priors.Discriminator` without dropout."""
        first = self._dense(f"{part}.first")
        layers = [
            ("flatten", self._torch.nn.Flatten()),
            ("first", first),
            ("act", self._leaky()),
        ]
        for i in itertools.count():
            if f"{part}.block{i}_1.kernel" not in self._weights:
                break
            inner = self._chain(
                [
                    ("one", self._dense(f"{part}.block{i}_1")),
                    ("act1", self._leaky()),
                    ("two", self._dense(f"{part}.block{i}_2")),
                    ("act2", self._leaky()),
                ]
            )
            layers.append((f"block{i}", _residual(self._torch, inner)))
        layers.append(("last", self._dense(f"{part}.last")))
        return self._chain(layers)


def _residual(torch: Any, inner: Any) -> Any:
    class Residual(torch.nn.Module):
        """Adds a block's input to its output."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            return x + self.inner(x)

    return Residual()
