"use strict";

const number = (value) => (value === null ? "–" : value.toFixed(2));

function list(pairs) {
  const entries = pairs.filter(([, text]) => text);
  return element("dl", {}, ...entries.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
}

/** Every metric under every aggregation; mean over actions with its interval, then the mean over frames. */
function valuesTable(run) {
  const heads = ["Metric", ...run.aggregations].map((name) => element("th", { scope: "col" }, name));
  const cell = (value) => (value === null ? "–" : `${number(value[0])} [${number(value[1])}, ${number(value[2])}]; ${number(value[3])}`);
  const rows = run.values.map(([metric, values]) => element(
    "tr", {}, element("th", { scope: "row" }, metric), ...values.map((value) => element("td", { class: "number" }, cell(value))),
  ));
  const inner = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
  return element("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": "Values" }, inner);
}

function mlflowLink(run, server) {
  if (!run.mlflow) return "not logged";
  return element("span", {},
    element("a", { href: `${server}/#/runs/${encodeURIComponent(run.mlflow)}`, rel: "noreferrer", target: "_blank" }, run.mlflow),
    ` (opens where an MLflow server runs: ${server})`);
}

function recordBody(run, server) {
  const heading = (text) => element("h3", {}, text);
  return [
    list([["MLflow run", mlflowLink(run, server)], ...run.identities]),
    heading("Values"),
    element("p", { class: "note" }, "Mean over actions [95 % interval]; mean over frames. † oracle, ‡ assisted."),
    valuesTable(run),
    heading("Conditions"), list(run.conditions),
    heading("Cost"), list(run.cost),
    heading("Training"), list(run.training),
    heading("Environment"), element("ul", {}, ...run.environment.map((line) => element("li", {}, line))),
    element("details", {}, element("summary", {}, "Full description"), element("pre", {}, run.description)),
  ];
}

/** Opens the record of the runs that the page's address names, now and whenever it changes. */
function followRecords(content) {
  const dialog = byId("record");

  function show(ids, chosen) {
    const run = content.runs[chosen];
    byId("record-title").textContent = run.name;
    const others = ids.length < 2 ? [] : [element("p", {}, `${ids.length} runs are behind this: `, ...ids.map((id) =>
      element("button", { type: "button", "aria-pressed": String(id === chosen), onclick: () => show(ids, id) }, id)))];
    byId("record-body").replaceChildren(...others, ...recordBody(run, content.mlflow));
  }

  function follow() {
    if (!location.hash.startsWith("#run-")) return dialog.close();
    const ids = location.hash.slice("#run-".length).split("+").filter((id) => Object.hasOwn(content.runs, id));
    if (!ids.length) return dialog.close();
    show(ids, ids[0]);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  dialog.addEventListener("close", () => {
    if (location.hash.startsWith("#run-")) history.replaceState(null, "", location.pathname + location.search);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  addEventListener("hashchange", follow);
  follow();
}
