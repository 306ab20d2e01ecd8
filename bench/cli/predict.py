"""The commands ``predict`` and ``compare-on``: own key points lifted to 3D, without ground truth."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import DEFAULT_STORE, Device, StoreFolder, with_options, writable_folder
from models.errors import InputError, quoted, shown

if TYPE_CHECKING:
    from bench.footage.files import Prediction
    from bench.footage.keypoints import KeyPoints
    from bench.footage.lift import Settings

FORMS = ("npz", "csv", "bvh", "png", "gif", "mp4", "html")
WEIGHTS = (
    "A trained folder, a file of import-checkpoint, the id of a training of the store (or its beginning), or "
    "finepose, d3dp, mixste or tcn: small weights that come with a clone of the repository."
)

File = Annotated[
    Path, typer.Argument(metavar="KEYPOINTS", help="Key points of a video: JSON, .npz, or OpenPose's folder.")
]
GAP = "Longest gap of missing frames that is filled."
LAYOUT = "Layout of the key points, if the file does not name it: coco, human36m, mpii, …."
FIT = "Bring the person to the size of the training: upright videos, far people."


@dataclass(frozen=True)
class Lifting:
    """How key points are read and lifted, and where to, option by option."""

    size: Annotated[
        str | None, typer.Option(help="WIDTHxHEIGHT of the video in pixels, where the file has none.")
    ] = None
    fps: Annotated[
        float | None, typer.Option(min=1, max=1000, help="Frames per second, where the file has none.")
    ] = None
    layout: Annotated[str | None, typer.Option(help=LAYOUT)] = None
    person: Annotated[
        int | None, typer.Option(help="Which person; the one with the largest boxes by default.")
    ] = None
    longest_gap: Annotated[int, typer.Option(min=0, max=10_000, help=GAP)] = 10
    fit: Annotated[bool, typer.Option("--fit", help=FIT)] = False
    focal: Annotated[
        float | None, typer.Option(min=1, max=1e6, help="Focal length in pixels; fitted by default.")
    ] = None
    hypotheses: Annotated[int, typer.Option(min=1, max=1000, help="H, of methods that draw hypotheses.")] = 5
    steps: Annotated[int, typer.Option(min=1, max=1000, help="K, denoising steps of diffusion methods.")] = 5
    aggregation: Annotated[str, typer.Option(help="Aggregation of the hypotheses (without ground truth).")] = (
        "P-Agg"
    )
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the sampling noise.")] = 0
    out: Annotated[Path, typer.Option(help="Folder for what is written.", callback=writable_folder)] = Path(
        "predictions"
    )
    store: StoreFolder = DEFAULT_STORE
    device: Device = "auto"

    def key_points(self, file: Path) -> KeyPoints:
        """Key points of one person of a video."""
        from bench.footage.keypoints import load_key_points

        return load_key_points(file, _size(self.size), self.layout, self.person, self.longest_gap, self.fps)

    def settings(self) -> Settings:
        """Settings of the prediction.

        Raises:
            InputError: there is no such aggregation, or it needs the ground truth.
        """
        from bench.footage.lift import Settings, checked_aggregation

        aggregation = checked_aggregation(self.aggregation)
        return Settings(self.hypotheses, self.steps, aggregation=aggregation, seed=self.seed)


@with_options(Lifting)
def predict(
    lifting: Lifting,
    file: File,
    weights: Annotated[str, typer.Option(help=WEIGHTS)],
    write: Annotated[str, typer.Option(help=f"What to write, of {', '.join(FORMS)}.")] = "npz,csv,bvh,png",
) -> None:
    """Lift the key points of a video to 3D: poses without ground truth, so without an error."""
    forms, points = _forms(write), lifting.key_points(file)
    from bench.devices import use_device
    from bench.footage.predict import predict as predict_poses
    from bench.footage.weights import load_weights
    from bench.results.store import Store

    settings, out = lifting.settings(), lifting.out
    place, chosen = use_device(lifting.device), load_weights(weights, Store(lifting.store))
    out.mkdir(parents=True, exist_ok=True)
    result = predict_poses(points, chosen, settings, place, out, lifting.fit, lifting.focal)
    name = re.sub(r"[^\w.-]+", "-", f"{file.resolve().stem}-{chosen.name}")
    _tell_notes(result.prediction.description["notes"])
    for path in _written(forms, out / name, result.prediction):
        typer.echo(f"wrote {path}")
    result.lifted.discard()


@with_options(Lifting)
def compare_on(
    lifting: Lifting,
    file: File,
    weights: Annotated[list[str], typer.Option(help=f"{WEIGHTS} Once for each method.")],
) -> None:
    """Compare methods on the key points of a video, without ground truth: cost and steadiness, no accuracy."""
    points = lifting.key_points(file)
    from bench.devices import use_device
    from bench.footage.compare import compare
    from bench.footage.files import shown_poses
    from bench.footage.predict import predict as predict_poses
    from bench.footage.weights import load_weights, named_apart
    from bench.results.store import Store
    from reports.footage import write_comparison

    settings, out = lifting.settings(), lifting.out
    place, store = use_device(lifting.device), Store(lifting.store)
    chosen = named_apart([load_weights(named, store) for named in dict.fromkeys(weights)])
    out.mkdir(parents=True, exist_ok=True)
    results = [predict_poses(points, its, settings, place, out, lifting.fit, lifting.focal) for its in chosen]
    found, apart = compare(results, chosen, settings, place)
    written = write_comparison(out, found, apart, [shown_poses(result.prediction) for result in results])
    _tell_notes(note for result in results for note in result.prediction.description["notes"])
    for path in written:
        typer.echo(f"wrote {path}")
    for result in results:
        result.lifted.discard()


def _tell_notes(notes: Iterable[str]) -> None:
    for note in dict.fromkeys(notes):
        typer.echo(shown(f"note: {note}"), err=True)


def _written(forms: list[str], base: Path, prediction: Prediction) -> Iterator[Path]:
    """Files of a prediction, named as ``base`` with the endings of their forms."""
    from bench.footage.files import shown_poses, write_arrays, write_csv, write_motion
    from bench.footage.pictures import save_moving, save_still
    from reports.page.footage import write_page

    writers = {"npz": write_arrays, "csv": write_csv, "png": save_still, "gif": save_moving, "mp4": save_moving}
    for form in forms:
        path = base.with_name(f"{base.name}.{form}")
        if form == "bvh":
            yield from write_motion(path, prediction)
        elif form == "html":
            write_page(path, [shown_poses(prediction)])
            yield path
        else:
            writers[form](path, prediction)
            yield path


def _size(text: str | None) -> tuple[int, int] | None:
    """``"1920x1080"`` → (1920, 1080)."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{1,4})[xX×]([1-9][0-9]{1,4})", text)
    if found is None:
        raise InputError(f"--size {quoted(text)}: is not WIDTHxHEIGHT in pixels; write 1920x1080")
    return int(found[1]), int(found[2])


def _forms(text: str) -> list[str]:
    forms = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [form for form in forms if form not in FORMS]
    if unknown or not forms:
        what = quoted(unknown[0]) if unknown else "nothing"
        raise InputError(f"--write {text}: names {what}; take some of {', '.join(FORMS)}")
    if "mp4" in forms:
        from bench.footage.pictures import check_ffmpeg

        check_ffmpeg()
    return forms
