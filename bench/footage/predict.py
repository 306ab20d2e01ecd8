"""One video lifted by one method, and everything that is said of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch

from bench.footage.camera import USUAL_FOCAL, FittedCamera, fit_camera, trajectory
from bench.footage.files import Prediction
from bench.footage.keypoints import Fit, KeyPoints, fit_to_training
from bench.footage.lift import Lifted, Settings, lift
from bench.footage.weights import Weights


class Result(NamedTuple):
    """A prediction with what it was made from."""

    prediction: Prediction
    camera: FittedCamera
    fit: Fit
    lifted: Lifted


def predict(
    points: KeyPoints,
    weights: Weights,
    settings: Settings,
    device: torch.device,
    folder: Path,
    fitted: bool = False,
    focal_pixels: float | None = None,
) -> Result:
    """Poses of one person, and where the person stands; errors: see ``lift``.

    Args:
        points, weights, settings, device, folder: see ``lift``.
        fitted: bring the person to the size of people in the training.
        focal_pixels: of the camera; None to fit it to the poses.
    """
    focal = None if focal_pixels is None else focal_pixels * 2 / points.width
    fit, sentence = fit_to_training(points, weights.person_height, fitted)
    lifted = lift(weights, points, fit, focal or USUAL_FOCAL, settings, device, folder)
    camera = fit_camera(lifted.poses, points, focal)
    lifter = weights.lifter
    sampled = {"hypotheses": settings.hypotheses, "steps": settings.steps, "aggregation": settings.aggregation}
    notes = [*points.notes, *([sentence] if sentence else []), camera.described(points.width)]
    notes += ["no action label was given"] * lifter.uses_action
    prediction = Prediction(
        points=points,
        poses=lifted.poses,
        spread=lifted.spread,
        roots=trajectory(lifted.poses, points, camera),
        method=weights.name,
        description={
            "method": weights.name,
            "weights": weights.source,
            "config": asdict(lifter.config),
            "flip": settings.flip,
            "focal_pixels": camera.focal * points.width / 2,
            "fit": fit._asdict(),
            "notes": notes,
        }
        | (sampled if lifter.probabilistic else {}),
    )
    return Result(prediction, camera, fit, lifted)
