"use strict";

const SYMBOLS = {
  o: "circle", s: "square", D: "diamond", "^": "triangle-up", v: "triangle-down", P: "cross", X: "x",
  "<": "triangle-left", ">": "triangle-right", p: "pentagon", "*": "star", h: "hexagon", d: "diamond-tall",
};

/** Plotly reads a few tags in labels; names shall not be read so. */
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const usesTruth = (point) => point.kind === "assisted" || point.kind === "oracle";

function description(point) {
  const size = point.kind === "deterministic" ? "" : `, H = ${point.hypotheses}, K = ${point.steps}`;
  return `${point.name} ${point.aggregation}${size}: ${point.y.toFixed(1)} mm, ${point.x.toPrecision(3)} ms/frame`;
}

function hoverText(point) {
  return `${plain(description(point))}<br>size ${plain(point.size)}, seeds ${plain(point.seeds)}<br>run ${point.run}`;
}

/** One trace per method, its points in order of time. Variants, which are hollow, come and go with their method. */
function traceOf(method, points, [shade, marker, filled], inLegend) {
  const spread = (end) => points.map((point) => (point[end] === null ? 0 : Math.abs(point[end] - point.y)));
  const symbol = SYMBOLS[marker] + (filled ? "" : "-open");
  return {
    type: "scatter", mode: "markers", name: plain(method), points, legendgroup: shade + marker, showlegend: inLegend,
    x: points.map((point) => point.x), y: points.map((point) => point.y),
    text: points.map(hoverText), hovertemplate: "%{text}<extra></extra>",
    error_y: { type: "data", array: spread("high"), arrayminus: spread("low"), color: shade, thickness: 1, width: 0 },
    marker: { color: shade, size: 10, symbol: points.map((point) => (usesTruth(point) ? `${symbol}-dot` : symbol)) },
    visible: points.every((point) => point.trivial) ? "legendonly" : true,
  };
}

function frontOf(points) {
  const front = points.filter((point) => point.front);
  return {
    type: "scatter", mode: "lines", name: "Pareto front", hoverinfo: "skip", points: [],
    x: front.map((point) => point.x), y: front.map((point) => point.y), line: { color: colour("quiet"), width: 1, dash: "dash" },
  };
}

const isSmall = () => matchMedia("(max-width: 40rem)").matches;

/** Plain numbers on the logarithmic axis, wherever a reader zooms to. */
const TICKS = [-4, -3, -2, -1, 0, 1, 2, 3, 4, 5].flatMap((power) => [1, 2, 5].map((step) => Number(`${step}e${power}`)));

function layout() {
  const axis = { gridcolor: colour("line"), linecolor: colour("quiet"), zeroline: false, automargin: true };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colour("ink") }, hovermode: "closest",
    margin: { t: 10, r: 10, b: 50, l: 50 },
    xaxis: { ...axis, type: "log", tickvals: TICKS, ticktext: TICKS.map(String), title: { text: "Time per output frame (ms)" } },
    yaxis: { ...axis, title: { text: "MPJPE (mm)" } },
    legend: isSmall() ? { orientation: "h", y: -0.25 } : {},
    hoverlabel: { bgcolor: colour("raised"), font: { color: colour("ink") } },
  };
}

function showPlots(content) {
  const [plot, choice, every] = [byId("plot"), byId("plot-choice"), byId("plot-every")];
  if (!content.plots.length) {
    byId("trade-off").replaceChildren(byId("trade-off-title"), "No run with an error and a time is finished.");
    return;
  }
  choice.append(...content.plots.map((one, index) => element("option", { value: index }, one.title)));
  const open = (point) => { location.hash = recordLink([point.run]); };
  let [traces, current] = [[], null];

  function draw() {
    const chosen = content.plots[Number(choice.value)];
    const points = chosen.points.filter((point) => every.checked || point.headline);
    const methods = grouped(points);
    const whole = new Set([...methods.keys()].map((method) => content.looks[method]).filter(([, , filled]) => filled).map(String));
    const inLegend = ([shade, marker, filled]) => filled || !whole.has(String([shade, marker, true]));
    traces = [...methods].map(([method, its]) => traceOf(method, its, content.looks[method], inLegend(content.looks[method])));
    traces.push(frontOf(chosen.points));
    Plotly.react(plot, traces, layout(), { responsive: true, displayModeBar: false });
    byId("plot-conditions").replaceChildren(...chosen.conditions.map((sentence) => element("li", {}, sentence)));
    current = null;
  }

  /** Points as they are seen, from left to right. */
  const visible = () => plot._fullData.filter((trace) => trace.visible === true)
    .flatMap((trace) => traces[trace.index].points.map((point, pointNumber) => ({ point, curveNumber: trace.index, pointNumber })))
    .sort((a, b) => a.point.x - b.point.x);

  function step(by) {
    const there = visible();
    if (!there.length) return;
    const at = there.findIndex((one) => one.point === current);
    const next = there[at < 0 ? 0 : (at + by + there.length) % there.length];
    current = next.point;
    Plotly.Fx.hover(plot, [{ curveNumber: next.curveNumber, pointNumber: next.pointNumber }]);
    byId("plot-point").textContent = description(current);
  }

  choice.addEventListener("change", draw);
  every.addEventListener("change", draw);
  onColourScheme(draw);
  plot.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) step(by);
    else if (event.key === "Enter" && current) open(current);
    else return;
    event.preventDefault();
  });
  draw();
  plot.on("plotly_click", (event) => {
    const { curveNumber, pointNumber } = event.points[0];
    open(traces[curveNumber].points[pointNumber]);
  });
}

function grouped(points) {
  const groups = new Map();
  for (const point of points) groups.set(point.method, [...(groups.get(point.method) ?? []), point]);
  return groups;
}
