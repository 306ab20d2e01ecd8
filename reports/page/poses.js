"use strict";

const AT_FIRST = 2;
const STEP = Math.PI / 24;

/** Poses as stored: whole numbers, each frame as its difference to the one before. */
function decoded(stored, unit) {
  const values = Float32Array.from(stored.differences);
  for (let index = stored.size; index < values.length; index += 1) values[index] += values[index - stored.size];
  return { size: stored.size, values: values.map((value) => value * unit) };
}

/** [x, y, …] of one frame. */
const frameOf = (poses, frame) => poses.values.subarray(frame * poses.size, (frame + 1) * poses.size);

/** Mean distance of the joints in mm, in one frame or over all. */
function meanDistance(a, b) {
  let sum = 0;
  for (let at = 0; at < a.length; at += 3) sum += Math.hypot(a[at] - b[at], a[at + 1] - b[at + 1], a[at + 2] - b[at + 2]);
  return (1000 * sum) / (a.length / 3);
}

/** An error in words, after some text; nothing where there is no truth. */
const inMillimetres = (before, error) => (error === null ? "" : `${before}${error.toFixed(1)} mm`);

/** A scene with its poses decoded, what every method is off by (own footage has no truth), and how large all of it is. */
function prepared(scene) {
  const truth = scene.truth && decoded(scene.truth, 0.001);
  const methods = scene.methods.map((method) => {
    const answer = decoded(method.answer, 0.001);
    const hypotheses = method.hypotheses.map((poses) => decoded(poses, 0.001));
    return { ...method, answer, hypotheses, error: truth ? meanDistance(answer.values, truth.values) : null };
  });
  const extent = (truth || methods[0].answer).values.reduce((most, value) => Math.max(most, Math.abs(value)), 0.1);
  const floor = (truth || methods[0].answer).values.reduce((most, value, at) => (at % 3 === 1 ? Math.max(most, value) : most), 0);
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

/** Places of the 2D input, fitted to the canvas over the whole clip. */
function fitted(pose, all, width) {
  let [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
  for (let at = 0; at < all.length; at += 1) {
    low[at % 2] = Math.min(low[at % 2], all[at]);
    high[at % 2] = Math.max(high[at % 2], all[at]);
  }
  const scale = (0.9 * width) / Math.max(high[0] - low[0], high[1] - low[1], 1e-6);
  const places = [];
  for (let at = 0; at < pose.length; at += 2) {
    places.push([0, 1].map((axis) => width / 2 + scale * (pose[at + axis] - (low[axis] + high[axis]) / 2)));
  }
  return places;
}

function drawBones(context, places, scene, style) {
  context.strokeStyle = style.colour;
  context.lineWidth = style.width;
  context.lineCap = "round";
  scene.parents.forEach((parent, joint) => {
    if (parent < 0) return;
    context.globalAlpha = style.alpha * (scene.right[joint] ? 0.55 : 1);
    context.beginPath();
    context.moveTo(...places[parent]);
    context.lineTo(...places[joint]);
    context.stroke();
  });
  context.globalAlpha = 1;
}

/** A level grid under the lowest joint, and axes of 25 cm at its corner. */
function drawFloor(context, view, width, scene) {
  const { extent, floor } = scene;
  const line = (from, to, shade) => {
    const [start, end] = turned([...from, ...to], view, width, extent);
    context.strokeStyle = shade;
    context.beginPath();
    context.moveTo(...start);
    context.lineTo(...end);
    context.stroke();
    return end;
  };
  context.lineWidth = Math.max(1, width / 400);
  const half = 0.25 * Math.max(2, Math.round(extent / 0.4));
  for (let at = -half; at <= half + 0.01; at += 0.25) {
    line([at, floor, -half], [at, floor, half], colour("line"));
    line([-half, floor, at], [half, floor, at], colour("line"));
  }
  context.fillStyle = colour("quiet");
  context.font = `${Math.max(10, width / 25)}px sans-serif`;
  const corner = [-half, floor, -half];
  for (const [axis, name] of ["x", "y", "z"].entries()) {
    const tip = corner.map((value, index) => value + (index === axis ? 0.25 : 0));
    context.fillText(name, ...line(corner, tip, colour("quiet")));
  }
}

/** Errors of the shown methods over the frames of the clip, under the poses. */
function drawErrors(scene, methods, looks, frame, go) {
  const [plot, frames] = [byId("pose-errors"), [...Array(scene.frames).keys()]];
  const traces = methods.map((method) => ({
    type: "scatter", mode: "lines", name: plain(method.name), x: frames.map((at) => at + 1), line: { color: looks[method.method][0], width: 2 },
    y: frames.map((at) => meanDistance(frameOf(method.answer, at), frameOf(scene.truth, at))),
  }));
  const { xaxis, yaxis, ...rest } = layout();
  const cursor = { type: "line", yref: "paper", x0: frame + 1, x1: frame + 1, y0: 0, y1: 1, line: { color: colour("quiet"), width: 1 } };
  Plotly.react(plot, traces, {
    ...rest, showlegend: !isSmall(), margin: { t: 10, r: 10, b: 40, l: 50 }, shapes: [cursor], hovermode: "x",
    xaxis: { ...xaxis, type: "linear", tickvals: null, ticktext: null, title: { text: "Frame" } },
    yaxis: { ...yaxis, rangemode: "tozero", title: { text: "Error (mm)" } },
  }, { responsive: true, displayModeBar: false });
  plot.removeAllListeners("plotly_click");
  plot.on("plotly_click", (event) => go(event.points[0].x - 1));
}

function showPoses(poses, looks) {
  byId("poses-note").textContent = poses.note;
  if (!poses.scenes.length) return;
  byId("viewer").hidden = false;
  document.querySelectorAll(".of-truth").forEach((note) => { note.hidden = !poses.scenes[0].truth; });
  const [sequence, play, slider, cloud] = ["pose-sequence", "pose-play", "pose-frame", "pose-cloud"].map(byId);
  const view = { turn: 0.5, tilt: 0.15 };
  const state = { scene: null, frame: 0, playing: false, since: 0, from: 0, chosen: new Set(), panels: [] };
  sequence.append(...poses.scenes.map((scene, index) => element("option", { value: index }, scene.title)));

  function choose() {
    state.scene = prepared(poses.scenes[Number(sequence.value)]);
    const names = state.scene.methods.map((method) => method.name);
    const best = [...state.scene.methods].sort((a, b) => b.proposed - a.proposed || a.variant - b.variant || a.error - b.error);
    const kept = names.filter((name) => state.chosen.has(name));
    state.chosen = new Set(kept.length ? kept : best.slice(0, AT_FIRST).map((method) => method.name));
    slider.max = state.scene.frames - 1;
    const [methods, variants] = [false, true].map((variant) => state.scene.methods.filter((its) => Boolean(its.variant) === variant).map(methodBox));
    if (variants.length) methods.push(element("details", {}, element("summary", {}, `Variants (${variants.length})`), ...variants));
    byId("pose-methods").replaceChildren(...methods);
    layPanels();
    go(0);
  }

  function methodBox(method) {
    const change = (event) => {
      if (event.target.checked) state.chosen.add(method.name);
      else state.chosen.delete(method.name);
      layPanels();
      draw();
    };
    const box = element("input", { type: "checkbox", checked: state.chosen.has(method.name), onchange: change });
    return element("label", {}, box, ` ${method.name}${inMillimetres(": ", method.error)}`);
  }

  function layPanels() {
    const methods = state.scene.methods.filter((method) => state.chosen.has(method.name));
    state.panels = [
      { name: "2D input", paint: paintInput },
      ...(state.scene.truth ? [{ name: "Ground truth", paint: (context, width) => paintPose(context, width, null), turns: true }] : []),
      ...methods.map((method) => ({ name: method.name, method, turns: true, paint: (context, width) => paintPose(context, width, method) })),
    ];
    byId("pose-panels").replaceChildren(...state.panels.map((panel) => {
      panel.canvas = element("canvas", { role: "img", "aria-label": panel.name, tabindex: panel.turns ? 0 : null });
      panel.error = element("span");
      const title = panel.method && panel.method.run ? element("a", { href: recordLink([panel.method.run]) }, panel.name) : panel.name;
      if (panel.turns) letTurn(panel.canvas);
      return element("figure", {}, panel.canvas, element("figcaption", {}, title, panel.error));
    }));
  }

  function paintInput(context, width) {
    const places = fitted(frameOf(state.scene.input, state.frame), state.scene.input.values, width);
    drawBones(context, places, state.scene, { colour: colour("ink"), width: width / 90, alpha: 1 });
  }

  function paintPose(context, width, method) {
    const { scene, frame } = state;
    drawFloor(context, view, width, scene);
    const bones = (pose, style) => drawBones(context, turned(pose, view, width, scene.extent), scene, style);
    if (scene.truth) bones(frameOf(scene.truth, frame), { colour: colour(method ? "quiet" : "ink"), width: width / 90, alpha: method ? 0.5 : 1 });
    if (!method) return;
    const paint = looks[method.method][0];
    const faint = { colour: paint, width: width / 250, alpha: 0.45 };
    if (cloud.checked) method.hypotheses.forEach((poses) => bones(frameOf(poses, frame), faint));
    bones(frameOf(method.answer, frame), { colour: paint, width: width / 90, alpha: 1 });
  }

  function letTurn(canvas) {
    const turn = (x, y) => {
      view.turn += x;
      view.tilt = Math.max(-1.5, Math.min(1.5, view.tilt + y));
      draw();
    };
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

  function draw() {
    const { scene, frame } = state;
    for (const panel of state.panels) {
      const width = Math.round(panel.canvas.clientWidth * devicePixelRatio) || 300;
      Object.assign(panel.canvas, { width, height: width });
      panel.paint(panel.canvas.getContext("2d"), width);
      if (panel.method && scene.truth) {
        const error = meanDistance(frameOf(panel.method.answer, frame), frameOf(scene.truth, frame));
        panel.error.textContent = inMillimetres(" ", error);
      }
    }
    if (scene.truth) drawErrors(scene, state.panels.flatMap((panel) => panel.method ?? []), looks, frame, go);
    byId("pose-position").textContent = `Frame ${frame + 1} of ${scene.frames}`;
  }

  function go(frame) {
    state.frame = frame;
    slider.value = frame;
    draw();
  }

  /** Count the time that is played from the present frame on. */
  const playFromHere = () => Object.assign(state, { since: performance.now(), from: state.frame });

  function playOrPause() {
    state.playing = !state.playing;
    play.textContent = state.playing ? "Pause" : "Play";
    playFromHere();
    if (state.playing) requestAnimationFrame(tick);
  }

  function tick(now) {
    if (!state.playing) return;
    const passed = Math.floor((Math.max(0, now - state.since) / 1000) * state.scene.fps);
    const frame = (state.from + passed) % state.scene.frames;
    if (frame !== state.frame) go(frame);
    requestAnimationFrame(tick);
  }

  play.addEventListener("click", playOrPause);
  slider.addEventListener("input", () => {
    go(Number(slider.value));
    playFromHere();
  });
  sequence.addEventListener("change", () => {
    choose();
    playFromHere();
  });
  cloud.addEventListener("change", draw);
  onColourScheme(draw);
  new ResizeObserver(draw).observe(byId("pose-panels"));
  choose();
}

/** A page that shows poses alone. */
async function startPoses() {
  const content = JSON.parse(await unpacked("content"));
  showPoses(content.poses, content.looks);
  document.documentElement.dataset.ready = "yes";
}
