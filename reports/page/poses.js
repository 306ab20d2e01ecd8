"use strict";

const AT_FIRST = 2;
const STEP = Math.PI / 24;

/** Frames of [x, y, …]; stored are whole numbers, each frame as its difference to the one before. */
function decoded({ size, differences }, unit) {
  const values = Float32Array.from(differences);
  for (let index = size; index < values.length; index += 1) values[index] += values[index - size];
  const frames = [...Array(values.length / size).keys()];
  return frames.map((frame) => values.subarray(frame * size, (frame + 1) * size).map((value) => value * unit));
}

/** An error in words, after some text; nothing where there is no truth. */
const inMillimetres = (before, error) => (error === undefined ? "" : `${before}${error.toFixed(1)} mm`);

/** A scene with its poses decoded, what methods are off by on average, and how large all of it is. */
function prepared(scene) {
  const truth = scene.truth && decoded(scene.truth, 0.001);
  const methods = scene.methods.map((method) => {
    const hypotheses = method.hypotheses.map((poses) => decoded(poses, 0.001));
    const error = method.errors && method.errors.reduce((sum, one) => sum + one, 0) / method.errors.length;
    return { ...method, answer: decoded(method.answer, 0.001), hypotheses, error };
  });
  const all = (truth ?? methods[0].answer).flatMap((pose) => [...pose]);
  const extent = all.reduce((most, value) => Math.max(most, Math.abs(value)), 0.1);
  const floor = all.filter((_, at) => at % 3 === 1).reduce((most, value) => Math.max(most, value), 0);
  return { ...scene, truth, methods, extent, floor, input: decoded(scene.input, 0.0001) };
}

/** Places on the canvas of joints in camera axes (y down), seen from a turned camera; no perspective. */
function turned(pose, view, width, extent) {
  const [cos, sin, up, tilt] = [Math.cos(view.turn), Math.sin(view.turn), Math.cos(view.tilt), Math.sin(view.tilt)];
  const scale = (0.46 * width) / extent;
  const places = [];
  for (let at = 0; at < pose.length; at += 3) {
    const [x, y, z] = [pose[at], pose[at + 1], pose[at + 2]];
    const depth = z * cos - x * sin;
    places.push([width / 2 + scale * (x * cos + z * sin), width / 2 + scale * (y * up - depth * tilt)]);
  }
  return places;
}

/** Places on the canvas of the 2D input, which is stored in widths of a canvas from its middle. */
function flat(pose, width) {
  const places = [];
  for (let at = 0; at < pose.length; at += 2) places.push([width * (0.5 + pose[at]), width * (0.5 + pose[at + 1])]);
  return places;
}

function drawLine(context, from, to) {
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

/** Thickness is in widths of the canvas. */
function drawBones(context, places, scene, { shade, thickness = 1 / 90, alpha = 1 }) {
  context.strokeStyle = shade;
  context.lineWidth = thickness * context.canvas.width;
  context.lineCap = "round";
  scene.parents.forEach((parent, joint) => {
    if (parent < 0) return;
    context.globalAlpha = alpha * (scene.right[joint] ? 0.55 : 1);
    drawLine(context, places[parent], places[joint]);
  });
  context.globalAlpha = 1;
}

/** A level grid under the lowest joint, and axes of 25 cm at its corner. */
function drawFloor(context, view, { extent, floor }) {
  const { width } = context.canvas;
  const half = 0.25 * Math.max(2, Math.round(extent / 0.4));
  const place = (x, y, z) => turned([x, y, z], view, width, extent)[0];
  context.lineWidth = Math.max(1, width / 400);
  context.strokeStyle = colour("line");
  for (let at = -half; at <= half + 0.01; at += 0.25) {
    drawLine(context, place(at, floor, -half), place(at, floor, half));
    drawLine(context, place(-half, floor, at), place(half, floor, at));
  }
  context.strokeStyle = colour("quiet");
  context.fillStyle = colour("quiet");
  context.font = `${Math.max(10, width / 25)}px sans-serif`;
  for (const [name, x, y, z] of [["x", 0.25, 0, 0], ["y", 0, 0.25, 0], ["z", 0, 0, 0.25]]) {
    const tip = place(x - half, floor + y, z - half);
    drawLine(context, place(-half, floor, -half), tip);
    context.fillText(name, ...tip);
  }
}

/** Errors of the shown methods over the frames of the clip, under the poses. */
function drawErrors(methods, frame, go) {
  const plot = byId("pose-errors");
  const traces = methods.map((method) => ({
    type: "scatter", mode: "lines", name: method.label, x: method.errors.map((_, at) => at + 1), y: method.errors,
    line: { color: method.colour, dash: method.dash, width: 2 },
  }));
  const { xaxis, yaxis, ...rest } = layout();
  const at = { x0: frame + 1, x1: frame + 1, y0: 0, y1: 1 };
  const cursor = { type: "line", yref: "paper", ...at, line: { color: colour("quiet"), width: 1 } };
  Plotly.react(plot, traces, {
    ...rest, showlegend: !isSmall(), margin: { t: 10, r: 10, b: 40, l: 50 }, shapes: [cursor], hovermode: "x",
    xaxis: { ...xaxis, type: "linear", tickvals: null, ticktext: null, title: { text: "Frame" } },
    yaxis: { ...yaxis, rangemode: "tozero", title: { text: "Error (mm)" } },
  }, PLAIN);
  plot.removeAllListeners("plotly_click");
  plot.on("plotly_click", (event) => go(event.points[0].x - 1));
}

/** Calls `turn` with the angles that a canvas is dragged by, or turned by with the arrow keys. */
function letTurn(canvas, turn) {
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons) turn(event.movementX / 100, event.movementY / 100);
  });
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (!by) return;
    event.preventDefault();
    turn(...by);
  });
}

function showPoses({ scenes }) {
  if (!scenes.length) return;
  const [sequence, play, slider, cloud] = ["pose-sequence", "pose-play", "pose-frame", "pose-cloud"].map(byId);
  const view = { turn: 0.5, tilt: 0.15 };
  const state = { scene: null, frame: 0, playing: false, start: 0, chosen: new Set(), panels: [] };

  function choose() {
    state.scene = prepared(scenes[sequence.value]);
    const { methods, frames } = state.scene;
    if (!methods.some(({ name }) => state.chosen.has(name))) {
      const best = [...methods].sort((a, b) => b.proposed - a.proposed || a.variant - b.variant || a.error - b.error);
      state.chosen = new Set(best.slice(0, AT_FIRST).map(({ name }) => name));
    }
    slider.max = frames - 1;
    const boxes = methods.filter((method) => !method.variant).map(methodBox);
    const variants = methods.filter((method) => method.variant).map(methodBox);
    const folded = element("details", {}, element("summary", {}, `Variants (${variants.length})`), ...variants);
    byId("pose-methods").replaceChildren(...boxes, ...(variants.length ? [folded] : []));
    layPanels();
    go(0);
  }

  function methodBox({ name, error }) {
    const change = (event) => {
      if (event.target.checked) state.chosen.add(name);
      else state.chosen.delete(name);
      layPanels();
      draw();
    };
    const box = element("input", { type: "checkbox", checked: state.chosen.has(name), onchange: change });
    return element("label", {}, box, ` ${name}${inMillimetres(": ", error)}`);
  }

  function layPanels() {
    const methods = state.scene.methods.filter(({ name }) => state.chosen.has(name));
    state.panels = [
      panel("2D input", paintInput),
      ...(state.scene.truth ? [panel("Ground truth", paintTruth)] : []),
      ...methods.map((method) => panel(method.name, paintMethod, method)),
    ];
    byId("pose-panels").replaceChildren(...state.panels.map(({ figure }) => figure));
  }

  function panel(name, paint, method) {
    const turns = paint !== paintInput;
    const canvas = element("canvas", { role: "img", "aria-label": name, tabindex: turns ? 0 : null });
    const error = element("span");
    const title = method?.run ? element("a", { href: recordLink(method.run) }, name) : name;
    if (turns) letTurn(canvas, turn);
    const figure = element("figure", {}, canvas, element("figcaption", {}, title, error));
    return { paint, method, canvas, error, figure };
  }

  function turn(x, y) {
    view.turn += x;
    view.tilt = Math.max(-1.5, Math.min(1.5, view.tilt + y));
    draw();
  }

  function paintInput(context) {
    const places = flat(state.scene.input[state.frame], context.canvas.width);
    drawBones(context, places, state.scene, { shade: colour("ink") });
  }

  function paintPose(context, poses, style) {
    const places = turned(poses[state.frame], view, context.canvas.width, state.scene.extent);
    drawBones(context, places, state.scene, style);
  }

  function paintTruth(context) {
    drawFloor(context, view, state.scene);
    paintPose(context, state.scene.truth, { shade: colour("ink") });
  }

  function paintMethod(context, method) {
    const { colour: shade, answer, hypotheses } = method;
    drawFloor(context, view, state.scene);
    if (state.scene.truth) paintPose(context, state.scene.truth, { shade: colour("quiet"), alpha: 0.5 });
    const shown = cloud.checked ? hypotheses : [];
    shown.forEach((poses) => paintPose(context, poses, { shade, thickness: 1 / 250, alpha: 0.45 }));
    paintPose(context, answer, { shade });
  }

  function draw() {
    const { scene, frame, panels } = state;
    for (const { canvas, paint, method, error } of panels) {
      const width = Math.round(canvas.clientWidth * devicePixelRatio) || 300;
      Object.assign(canvas, { width, height: width });
      paint(canvas.getContext("2d"), method);
      error.textContent = inMillimetres(" ", method?.errors?.[frame]);
    }
    if (scene.truth) drawErrors(panels.flatMap(({ method }) => method ?? []), frame, go);
    byId("pose-position").textContent = `Frame ${frame + 1} of ${scene.frames}`;
  }

  function show(frame) {
    state.frame = frame;
    slider.value = frame;
    draw();
  }

  /** Shows a frame, from which playing goes on. */
  function go(frame) {
    state.start = performance.now() - (1000 * frame) / state.scene.fps;
    show(frame);
  }

  function playOrPause() {
    state.playing = !state.playing;
    play.textContent = state.playing ? "Pause" : "Play";
    go(state.frame);
    if (state.playing) requestAnimationFrame(tick);
  }

  function tick(now) {
    if (!state.playing) return;
    const passed = Math.floor((Math.max(0, now - state.start) / 1000) * state.scene.fps);
    const frame = passed % state.scene.frames;
    if (frame !== state.frame) show(frame);
    requestAnimationFrame(tick);
  }

  play.addEventListener("click", playOrPause);
  slider.addEventListener("input", () => go(Number(slider.value)));
  sequence.addEventListener("change", choose);
  cloud.addEventListener("change", draw);
  onColourScheme(draw);
  new ResizeObserver(draw).observe(byId("pose-panels"));
  choose();
}

/** A page that shows poses alone. */
async function startPoses() {
  const content = JSON.parse(await unpacked("content"));
  showPoses(content.poses);
  document.documentElement.dataset.ready = "yes";
}
