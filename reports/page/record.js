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

/** Two records beside each other, a row for each thing that is known of them; rows that differ are marked. */
function comparison(first, second) {
  const runs = [first, second];
  const parts = [["Identities", "identities"], ["Conditions", "conditions"], ["Cost", "cost"], ["Training", "training"]];
  const row = (name, texts, differs) => element("tr", { class: differs ? "differs" : null },
    element("th", { scope: "row" }, name), ...texts.map((text) => element("td", {}, text ?? "–")));
  const heading = (name) => element("tr", { class: "group" }, element("td", { colspan: 3 }, name));
  const rowsOf = (pairs) => [...new Set(pairs.flatMap((its) => its.map(([name]) => name)))].map((name) => {
    const texts = pairs.map((its) => its.find(([its_name]) => its_name === name)?.[1]);
    return row(name, texts, texts[0] !== texts[1]);
  });
  const values = runs.map((run) => run.values.flatMap(([metric, numbers]) => numbers.map((value, index) =>
    [`${metric}, ${run.aggregations[index]}`, value && `${number(value[0])} [${number(value[1])}, ${number(value[2])}]`])));
  const head = element("tr", {}, ...["", ...runs.map((run) => run.name)].map((name) => element("th", { scope: "col" }, name)));
  const body = [heading("Values"), ...rowsOf(values), ...parts.flatMap(([name, key]) => [heading(name), ...rowsOf(runs.map((run) => run[key]))])];
  const inner = element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
  return element("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": "Two runs" }, inner);
}

/** A list of the other runs; choosing one shows both. */
function comparisonChoice(content, id) {
  const others = Object.entries(content.runs).filter(([other]) => other !== id);
  if (!others.length) return null;
  const options = others.map(([other, run]) => element("option", { value: other }, `${run.name} ${other}`));
  const choose = (event) => { location.hash = `#compare-${id}+${event.target.value}`; };
  return element("p", {}, element("label", {}, "Compare with ",
    element("select", { onchange: choose }, element("option", { value: "" }, "…"), ...options)));
}

/** Opens the record of the runs that the page's address names, now and whenever it changes. */
function followRecords(content) {
  const dialog = byId("record");

  function show(ids, chosen) {
    const run = content.runs[chosen];
    byId("record-title").textContent = run.name;
    const others = ids.length < 2 ? [] : [element("p", {}, `${ids.length} runs are behind this: `, ...ids.map((id) =>
      element("button", { type: "button", "aria-pressed": String(id === chosen), onclick: () => show(ids, id) }, id)))];
    const compare = [comparisonChoice(content, chosen)].filter(Boolean);
    byId("record-body").replaceChildren(...others, ...compare, ...recordBody(run, content.mlflow));
  }

  function follow() {
    const [, what, named] = location.hash.match(/^#(run|compare)-(.*)$/) ?? [];
    const ids = (named ?? "").split("+").filter((id) => Object.hasOwn(content.runs, id));
    if (!ids.length) return dialog.close();
    if (what === "compare" && ids.length === 2) {
      byId("record-title").textContent = "Two runs";
      byId("record-body").replaceChildren(comparison(...ids.map((id) => content.runs[id])));
    } else show(ids, ids[0]);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  dialog.addEventListener("close", () => {
    if (/^#(run|compare)-/.test(location.hash)) history.replaceState(null, "", location.pathname + location.search);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  addEventListener("hashchange", follow);
  follow();
}
