"""Draws the picture of docs/architecture.md: the rooms, and who imports from whom.

``python -m tests.architecture_picture`` draws it again.
"""

from __future__ import annotations

from tests import ROOT
from tests.architecture import ORDER, arrows, modules, points_down, rooms

PICTURE = ROOT / "docs" / "images" / "architecture.svg"
COMMAND = "python -m tests.architecture_picture"

FOR_ALL = "models.errors"
"""What every room may import from; its arrows are not drawn."""

Place = tuple[float, float]

COLUMNS = (("baselines",), ("models",), ("bench",), ("reports", "ablations"))
BOX, ROW, GAP, TOP = 132, 62, 26, 30
"""Width of a box, height of a row, space between boxes, and from the upper edge to the first row, in pixels."""
HEIGHT = 34
COLOURS = {
    "models": "#dbe9f6", "baselines": "#e3f1dc", "bench": "#fdf0d5", "reports": "#f3e1ee", "ablations": "#e8e4f5",
}  # fmt: skip


def boxes() -> dict[str, str]:
    """Room → the box of the picture that it stands in: files beside folders that follow each other share one."""
    found = {}
    for package in ORDER:
        shared = ""
        for room in rooms(package):
            folder = (ROOT / room.replace(".", "/")).is_dir()
            if not folder and room not in modules():
                continue
            shared = "" if folder else shared or room
            found[room] = shared or room
    return {room: box for room, box in found.items() if room != "bench.__main__"}


def drawn_arrows() -> set[tuple[str, str]]:
    """Arrows between boxes, without those that follow from others: who imports from a room stands above it."""
    box = boxes()
    known = [
        (room, other)
        for room, other in arrows()
        if {room, other} <= box.keys() and points_down(room, other) and other != FOR_ALL
    ]
    pairs = {(box[room], box[other]) for room, other in known if box[room] != box[other]}
    return {(room, other) for room, other in pairs if not _reaches(room, other, pairs - {(room, other)})}


def _reaches(start: str, end: str, pairs: set[tuple[str, str]]) -> bool:
    found, left = {start}, [start]
    while left:
        here = left.pop()
        new = {other for room, other in pairs if room == here} - found
        found |= new
        left += new
    return end in found


def levels_of(names: list[str], pairs: set[tuple[str, str]]) -> dict[str, int]:
    """Box → its row from the ground: above all that it imports from, close to its users in the same package."""
    levels: dict[str, int] = {}

    def lowest(box: str) -> int:
        if box not in levels:
            levels[box] = max((lowest(other) + 1 for room, other in pairs if room == box), default=0)
        return levels[box]

    for box in sorted(names, key=lowest, reverse=True):
        users = [room for room, other in pairs if other == box and room.split(".")[0] == box.split(".")[0]]
        levels[box] = min((levels[user] - 1 for user in users), default=levels[box])
    return levels


def picture() -> str:
    """The rooms and who imports from whom, as an SVG image."""
    pairs = drawn_arrows()
    names = list(dict.fromkeys(boxes().values()))
    levels = levels_of(names, pairs)
    top = max(levels.values())
    height = TOP + (top + 1) * ROW + GAP
    frames: list[str] = []
    places: dict[str, Place] = {}
    left = GAP
    for column in COLUMNS:
        members = [name for name in names if name.split(".")[0] in column]
        widest = max(sum(levels[name] == row for name in members) for row in range(top + 1))
        width = widest * (BOX + GAP) + GAP
        for name in members:
            row = [other for other in members if levels[other] == levels[name]]
            begin = left + (width - len(row) * (BOX + GAP) + GAP) / 2
            places[name] = begin + row.index(name) * (BOX + GAP), TOP + (top - levels[name]) * ROW + GAP / 2
        for package in column:
            inside = [y for name, (_, y) in places.items() if name.split(".")[0] == package]
            frames.append(_frame(package, left, min(inside), width, max(inside)))
        left += width + 2 * GAP
    drawn = [_box(name, *place) for name, place in places.items()]
    lines = [_arrow(places[room], places[other]) for room, other in sorted(pairs)]
    return "\n".join([*_head(left - GAP, height), *frames, *lines, *drawn, "</svg>", ""])


def _head(width: float, height: float) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="Helvetica, Arial, sans-serif" font-size="13">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#555"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" fill="white"/>',
    ]


def _frame(package: str, x: float, top: float, width: float, bottom: float) -> str:
    y, height = top - 22, bottom - top + HEIGHT + 26
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" fill="{COLOURS[package]}"/>'
        f'<text x="{x + 10:g}" y="{y + 15:g}" font-weight="bold" fill="#333">{package}/</text>'
    )


def _box(name: str, x: float, y: float) -> str:
    """A folder by its name; files that share a box by their number."""
    members = [room for room, box in boxes().items() if box == name]
    if "." not in name:
        label = "one file each"
    elif (ROOT / name.replace(".", "/")).is_dir():
        label = name.split(".")[1] + "/"
    else:
        label = name.split(".")[1] + ".py" if len(members) == 1 else f"{len(members)} single files"
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{BOX}" height="{HEIGHT}" rx="5" fill="white" stroke="#777"/>'
        f'<text x="{x + BOX / 2:g}" y="{y + 22:g}" text-anchor="middle">{label}</text>'
    )


def _arrow(start: Place, end: Place) -> str:
    """From the room that imports to the other one: straight down, or from the side towards the other."""
    right = end[0] > start[0]
    x, y = start[0] + (BOX if right else 0), start[1] + HEIGHT / 2
    to_x, to_y = end[0] + BOX / 2, end[1]
    if start[0] == end[0]:
        path = f"M{to_x:g},{start[1] + HEIGHT:g} L{to_x:g},{to_y:g}"
    elif abs(start[0] - end[0]) < BOX:
        path = f"M{x:g},{y:g} Q{to_x:g},{y:g} {to_x:g},{to_y:g}"
    else:
        to_x, to_y = end[0] + (0 if right else BOX), end[1] + HEIGHT / 2
        middle = (x + to_x) / 2
        path = f"M{x:g},{y:g} C{middle:g},{y:g} {middle:g},{to_y:g} {to_x:g},{to_y:g}"
    return f'<path d="{path}" fill="none" stroke="#555" stroke-width="1.3" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    PICTURE.write_text(picture())
    print(f"wrote {PICTURE.relative_to(ROOT)}")
