"use strict";

const isSmall = () => matchMedia("(max-width: 40rem)").matches;

/** Plain numbers on the logarithmic axis, wherever a reader zooms to. */
const POWERS = [-4, -3, -2, -1, 0, 1, 2, 3, 4, 5];
const TICKS = POWERS.flatMap((power) => [1, 2, 5].map((step) => Number(`${step}e${power}`)));

const PLAIN = { responsive: true, displayModeBar: false };

/** What plots have in common, in the present colour scheme. */
function layout() {
  const axis = { gridcolor: colour("line"), linecolor: colour("quiet"), zeroline: false, automargin: true };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colour("ink") },
    hovermode: "closest", margin: { t: 10, r: 10, b: 50, l: 50 },
    xaxis: {
      ...axis, type: "log", tickvals: TICKS, ticktext: TICKS.map(String), title: { text: "Time per output frame (ms)" },
    },
    yaxis: { ...axis, title: { text: "MPJPE (mm)" } },
    legend: isSmall() ? { orientation: "h", y: -0.25 } : {},
    hoverlabel: { bgcolor: colour("raised"), font: { color: colour("ink") } },
  };
}

function showPlots(plots) {
  if (!plots.length) return;
  const [plot, choice, every, predictors] = ["plot", "plot-choice", "plot-every", "plot-trivial"].map(byId);
  const open = (run) => { location.hash = recordLink(run); };
  let current = null;

  function draw() {
    const { traces, further, trivial, conditions } = plots[choice.value];
    const shown = [...traces, ...(every.checked ? further : []), ...(predictors.checked ? trivial : [])];
    Plotly.react(plot, shown, layout(), PLAIN);
    predictors.parentElement.hidden = !trivial.length;
    byId("plot-conditions").replaceChildren(...conditions.map((sentence) => element("li", {}, sentence)));
    current = null;
  }

  /** Points as they are seen, from left to right. */
  const visible = () => plot._fullData.filter((trace) => trace.visible === true && trace.customdata)
    .flatMap((trace) => trace.customdata.map((run, pointNumber) =>
      ({ run, curveNumber: trace.index, pointNumber, x: trace.x[pointNumber], text: trace.text[pointNumber] })))
    .sort((a, b) => a.x - b.x);

  function step(by) {
    const there = visible();
    if (!there.length) return;
    const isCurrent = (one) => one.curveNumber === current?.curveNumber && one.pointNumber === current.pointNumber;
    const at = there.findIndex(isCurrent);
    current = there[at < 0 ? 0 : (at + by + there.length) % there.length];
    Plotly.Fx.hover(plot, [current]);
    byId("plot-point").innerHTML = current.text.replaceAll("<br>", "; "); // Python escaped the names in it
  }

  choice.addEventListener("change", draw);
  every.addEventListener("change", draw);
  predictors.addEventListener("change", draw);
  onColourScheme(draw);
  plot.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) step(by);
    else if (event.key === "Enter" && current) open(current.run);
    else return;
    event.preventDefault();
  });
  draw();
  plot.on("plotly_click", (event) => open(event.points[0].customdata));
}
