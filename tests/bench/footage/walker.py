"""A made-up person who walks past a camera, and the files of key points that tools write of it."""

import json

import numpy as np

from bench.data.cameras.camera import image_coordinates, project
from bench.data.layouts import LAYOUTS
from models.skeleton import HUMAN36M

WIDTH, HEIGHT, FOCAL = 1000, 800, 2.3
CAMERA = np.array([FOCAL, FOCAL, 0, 0, 0, 0, 0, 0, 0], dtype=np.float32)
STANDING = {
    "Hip": (0, 0, 0), "RHip": (0.13, 0, 0), "RKnee": (0.13, 0.44, 0), "RFoot": (0.13, 0.88, 0),
    "LHip": (-0.13, 0, 0), "LKnee": (-0.13, 0.44, 0), "LFoot": (-0.13, 0.88, 0), "Spine": (0, -0.24, 0),
    "Thorax": (0, -0.48, 0), "Neck/Nose": (0, -0.6, -0.05), "Head": (0, -0.71, 0), "LShoulder": (-0.16, -0.48, 0),
    "LElbow": (-0.2, -0.2, 0), "LWrist": (-0.22, 0.04, 0), "RShoulder": (0.16, -0.48, 0),
    "RElbow": (0.2, -0.2, 0), "RWrist": (0.22, 0.04, 0),
}  # fmt: skip
"""A body that faces the camera, in camera axes (y down), metres from the hip."""


def walk(frames=60):
    """Poses ``[T, 17, 3]`` relative to the root, and roots ``[T, 3]``; arms and legs swing."""
    poses = np.tile(np.array([STANDING[joint] for joint in HUMAN36M.joints]), (frames, 1, 1))
    swing = 0.3 * np.sin(2 * np.pi * np.arange(frames) / 25)
    for joint, share in (("RKnee", 0.5), ("RFoot", 1.0), ("LElbow", 0.5), ("LWrist", 1.0)):
        poses[:, HUMAN36M.joints.index(joint), 2] += share * swing
    for joint, share in (("LKnee", 0.5), ("LFoot", 1.0), ("RElbow", 0.5), ("RWrist", 1.0)):
        poses[:, HUMAN36M.joints.index(joint), 2] -= share * swing
    roots = np.stack([np.linspace(-0.5, 0.5, frames), np.full(frames, 0.1), np.linspace(4, 4.5, frames)], axis=-1)
    return poses.astype(np.float32), roots.astype(np.float32)


def pixels(frames=60):
    """``[T, 17, 2]`` of Human3.6M's joints."""
    poses, roots = walk(frames)
    return image_coordinates(project(poses + roots[:, None], CAMERA), WIDTH, HEIGHT)


def in_layout(name, frames=60, away=(0.0, 0.0), scale=1.0):
    """``[T, N, 3]`` key points with a confidence; the head's parts lie so that its joints follow from them.

    ``away`` and ``scale`` make another person of it.
    """
    joints = dict(zip(HUMAN36M.joints, np.moveaxis(pixels(frames), 1, 0), strict=True))
    thorax, head = joints["Thorax"], joints["Head"]
    ear = thorax + (head - thorax) / 1.3
    parts = joints | {
        "nose": thorax + (joints["Neck/Nose"] - thorax) / 0.75, "left eye": ear, "right eye": ear,
        "left ear": ear, "right ear": ear, "head top": head, "neck": thorax, "pelvis": joints["Hip"],
        "upper neck": joints["Neck/Nose"],
    }  # fmt: skip
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    places = [parts.get(part, joints["LFoot"]) for part in LAYOUTS[name].points]
    moved = (np.stack(places, axis=1) - middle) * scale + middle + away
    return np.concatenate([moved, np.full((*moved.shape[:2], 1), 0.8)], axis=-1)


def write_mmpose(path, people):
    """``people``: ``[T, N, 3]`` each; rows of NaN are frames without them."""
    entries = [
        {
            "frame_id": frame,
            "instances": [
                {"keypoints": one[frame, :, :2].tolist(), "keypoint_scores": one[frame, :, 2].tolist()}
                for one in people
                if np.isfinite(one[frame]).any()
            ],
        }
        for frame in range(len(people[0]))
    ]
    path.write_text(json.dumps(entries))
    return path


def write_mmpose_with_meta(path, people):
    write_mmpose(path, people)
    entries = json.loads(path.read_text())
    path.write_text(json.dumps({"meta_info": {"dataset_name": "coco"}, "instance_info": entries}))
    return path


def write_alphapose(path, people):
    entries = [
        {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": one[frame].ravel().tolist(), "idx": number}
        for frame in range(len(people[0]))
        for number, one in enumerate(people, 1)
        if np.isfinite(one[frame]).any()
    ]
    path.write_text(json.dumps(entries))
    return path


def write_openpose(folder, people):
    folder.mkdir()
    for frame in range(len(people[0])):
        shown = [
            {"person_id": [-1], "pose_keypoints_2d": np.nan_to_num(one[frame]).ravel().tolist()}
            for one in people
            if np.isfinite(one[frame]).any()
        ]
        (folder / f"clip_{frame:012d}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": shown}))
    return folder


COLUMNS = ("x", "y", "visible")


def write_ultralytics(path, people):
    entries = [
        [
            {
                "name": "person",
                "track_id": number,
                "keypoints": dict(zip(COLUMNS, one[frame].T.tolist(), strict=True)),
            }
            for number, one in enumerate(people, 1)
            if np.isfinite(one[frame]).any()
        ]
        for frame in range(len(people[0]))
    ]
    path.write_text(json.dumps(entries))
    return path


def write_arrays(path, people):
    """Write arrays as rtmlib's results are kept by hand: with scores apart."""
    both = np.stack(people, axis=1).astype(np.float32)
    np.savez(path, keypoints=both[..., :2], scores=both[..., 2])
    return path


TOOLS = {
    "mmpose": ("coco", write_mmpose, "a.json"),
    "mmpose with its meta information": ("coco_wholebody", write_mmpose_with_meta, "b.json"),
    "alphapose": ("halpe26", write_alphapose, "c.json"),
    "openpose": ("body25", write_openpose, "d"),
    "ultralytics": ("coco", write_ultralytics, "e.json"),
    "arrays": ("coco", write_arrays, "f.npz"),
    "arrays of human36m": ("human36m", write_arrays, "g.npz"),
}
"""Name → layout, what writes its file, and a name for that."""
