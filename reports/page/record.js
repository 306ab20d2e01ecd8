"use strict";

/** One thing that is known of every run; what differs is marked. */
function factRow(name, texts) {
  const differs = texts.some((text) => text !== texts[0]);
  const cells = texts.map((text) => element("td", {}, text));
  return element("tr", { class: differs ? "differs" : null }, element("th", { scope: "row" }, name), ...cells);
}

/** All that is known of one run, or of two beside each other. */
function factsTable(runs) {
  const heads = ["", ...runs.map((run) => run.label)].map((name) => element("th", { scope: "col" }, name));
  const bodies = Object.keys(runs[0].facts).map((title) => {
    const facts = runs.map((run) => new Map(run.facts[title]));
    const names = new Set(facts.flatMap((known) => [...known.keys()]));
    const rows = [...names].map((name) => factRow(name, facts.map((known) => known.get(name) ?? "–")));
    const heading = element("th", { scope: "rowgroup", colspan: heads.length }, title);
    return element("tbody", {}, element("tr", { class: "group" }, heading), ...rows);
  });
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads)), ...bodies);
}

function mlflowLink(run, server) {
  if (!run.mlflow) return "";
  const address = `${server}/#/runs/${encodeURIComponent(run.mlflow)}`;
  const link = element("a", { href: address, rel: "noreferrer", target: "_blank" }, "Open in MLflow");
  return element("p", {}, link, ` (where a server runs: ${server})`);
}

/** A list of the other runs; choosing one shows both. */
function comparisonChoice(runs, id) {
  const others = Object.entries(runs).filter(([other]) => other !== id);
  if (!others.length) return "";
  const options = others.map(([other, run]) => element("option", { value: other }, run.label));
  const choose = (event) => { location.hash = `#compare-${id}+${event.target.value}`; };
  return element("p", {}, element("label", {}, "Compare with ",
    element("select", { onchange: choose }, element("option", { value: "" }, "…"), ...options)));
}

/** The runs behind a number, to choose whose record is shown. */
function runChoice(ids, chosen, show) {
  if (ids.length < 2) return "";
  const buttons = ids.map((id) => element(
    "button", { type: "button", "aria-pressed": String(id === chosen), onclick: () => show(ids, id) }, id,
  ));
  return element("p", {}, `${ids.length} runs are behind this: `, ...buttons);
}

/** Opens the record of the runs that the page's address names, now and whenever it changes. */
function followRecords(runs, server) {
  const dialog = byId("record");

  function fill(title, ...parts) {
    byId("record-title").textContent = title;
    byId("record-body").replaceChildren(...parts);
  }

  function show(ids, chosen) {
    const run = runs[chosen];
    const choices = [runChoice(ids, chosen, show), comparisonChoice(runs, chosen), mlflowLink(run, server)];
    const description = [element("summary", {}, "Full description"), element("pre", {}, run.description)];
    fill(run.name, ...choices, factsTable([run]), element("details", {}, ...description));
  }

  function follow() {
    const [, what, named] = location.hash.match(/^#(run|compare)-(.*)$/) ?? [];
    const ids = (named ?? "").split("+").filter((id) => Object.hasOwn(runs, id));
    if (!ids.length) return dialog.close();
    if (what === "compare" && ids.length === 2) fill("Two runs", factsTable(ids.map((id) => runs[id])));
    else show(ids, ids[0]);
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
