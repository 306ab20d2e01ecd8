"use strict";

const ROWS_AT_FIRST = 100;

/** The runs behind a number as the end of the page's address; `followRecords` opens their record. */
const recordLink = (runs) => `#run-${runs.join("+")}`;

const textOf = (cell) => (typeof cell === "string" ? cell : (cell.text ?? ""));

/** What a cell is sorted by: a number where it is one, else text; null where it is missing. */
function sortKey(cell) {
  if (cell.reason) return null;
  if (typeof cell.number === "number") return cell.number;
  const text = textOf(cell);
  return /^[\d.,]+$/.test(text) ? Number(text.replaceAll(",", "")) : text.toLowerCase();
}

/** Missing cells last in either direction, numbers before text. */
function compare(a, b, direction) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return direction * (typeof a === "number" ? a - b : a.localeCompare(b));
}

function cellElement(cell, column, runs, first, content) {
  const attributes = { class: column.align === "r" ? "number" : null, ...(first && { scope: "row" }) };
  const target = cell.runs ?? runs;
  const known = target.filter((run) => run in content.runs);
  const parts = [];
  if (cell.reason) parts.push(`– (${cell.reason})`);
  else {
    const style = { 1: "best", 2: "second" }[cell.rank] ?? null;
    parts.push(style ? element("span", { class: style }, textOf(cell)) : textOf(cell));
    if (cell.spread) parts.push(element("span", { class: "spread" }, ` ± ${cell.spread}`));
    if (cell.tie) parts.push(" ≈");
    if (cell.disturbed) parts.push(" *");
    if (cell.ahead !== undefined) parts.push(` (${cell.ahead > 0 ? "+" : ""}${cell.ahead.toFixed(1).replace("-", "−")}${cell.ahead_spread ? ` ± ${cell.ahead_spread}` : ""})`);
  }
  if (!known.length || cell.reason || !(first || typeof cell.number === "number")) {
    return element(first ? "th" : "td", attributes, ...parts);
  }
  const logged = known.map((run) => content.runs[run].mlflow ?? "not logged").join(", ");
  const link = { href: recordLink(known), title: `MLflow run ${logged}`, tabindex: first ? null : -1 };
  return element(first ? "th" : "td", attributes, element("a", link, ...parts));
}

/** A table with its filter, its selections (`table.choices` names their columns) and its notes. */
function tableView(table, content) {
  const state = { column: -1, direction: 1, words: [], place: "", chosen: new Map(), limit: ROWS_AT_FIRST };
  for (const block of table.blocks) {
    for (const row of block.rows) {
      row.text = [block.section, block.heading, ...row.cells.map(textOf), ...row.runs].join(" ").toLowerCase();
    }
  }
  const heads = table.columns.map((column, index) => element(
    "th", { scope: "col", class: column.align === "r" ? "number" : null },
    element("button", { type: "button", onclick: () => sortBy(index) }, column.name),
  ));
  const found = element("span", { role: "status" });
  const more = element("button", { type: "button", onclick: () => { state.limit *= 5; draw(); } });
  const inner = element(
    "table", {}, element("caption", {}, table.title), element("thead", {}, element("tr", {}, ...heads)),
  );

  function sortBy(index) {
    if (state.column !== index) Object.assign(state, { column: index, direction: 1 });
    else if (state.direction === 1) state.direction = -1;
    else Object.assign(state, { column: -1, direction: 1 });
    heads.forEach((head, number) => {
      const order = state.direction === 1 ? "ascending" : "descending";
      if (number === state.column) head.setAttribute("aria-sort", order);
      else head.removeAttribute("aria-sort");
    });
    draw();
  }

  function shownRows(block) {
    if (state.place && conditionsOf(block) !== state.place) return [];
    const rows = block.rows.filter((row) =>
      state.words.every((word) => row.text.includes(word)) &&
      [...state.chosen].every(([index, value]) => valuesOf(table, index, row).includes(value)));
    if (state.column < 0) return rows;
    const keyed = rows.map((row) => [sortKey(row.cells[state.column]), row]);
    return keyed.sort((a, b) => compare(a[0], b[0], state.direction)).map(([, row]) => row);
  }

  function draw() {
    const bodies = [];
    let [matching, section, left] = [0, "", state.limit];
    for (const block of table.blocks) {
      const rows = shownRows(block);
      matching += rows.length;
      const shown = rows.slice(0, left);
      left -= shown.length;
      if (!shown.length) continue;
      const body = element("tbody");
      if (block.section && block.section !== section) body.append(groupRow(block.section, "group section"));
      if (block.heading) body.append(groupRow(block.heading, "group"));
      section = block.section;
      for (const row of shown) {
        body.append(element("tr", {}, ...row.cells.map((cell, index) =>
          cellElement(cell, table.columns[index], row.runs, index === 0, content))));
      }
      bodies.push(body);
    }
    inner.querySelectorAll("tbody").forEach((body) => body.remove());
    inner.append(...bodies);
    found.textContent = `${matching.toLocaleString("en")} of ${total.toLocaleString("en")} rows`;
    more.hidden = matching <= state.limit;
    more.textContent = `Show more (${(matching - state.limit).toLocaleString("en")} hidden)`;
  }

  const groupRow = (text, name) => element(
    "tr", { class: name }, element("td", { colspan: table.columns.length }, element("span", {}, text)),
  );
  const total = table.blocks.reduce((sum, block) => sum + block.rows.length, 0);
  const search = element("input", { type: "search", oninput: (event) => {
    state.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    draw();
  } });
  const selections = (table.choices ?? []).map((name) => selection(table, name, (index, value) => {
    if (value === "") state.chosen.delete(index);
    else state.chosen.set(index, value);
    draw();
  }));
  const headings = [...new Set(table.blocks.map(conditionsOf))];
  const places = headings.length < 2 ? null : element("label", {}, "Conditions", element("select", {
    onchange: (event) => { state.place = event.target.value; draw(); },
  }, ...["", ...headings].map((text) => element("option", { value: text }, text || "all"))));
  const download = element("button", { type: "button", onclick: () => save(`${table.title}.csv`, csvOf(table, shownRows)) }, "CSV");
  draw();
  return element(
    "div", { class: "table" },
    element("div", { class: "controls" }, element("label", {}, "Filter", search), places, ...selections, download, found),
    element("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": table.title }, inner), more,
    element("details", { class: "note" }, element("summary", {}, "Conditions and notes"),
      element("ul", {}, ...table.notes.map((note) => element("li", {}, note)))),
  );
}

/** What the rows of a block were obtained under. */
const conditionsOf = (block) => [block.section, block.heading].filter(Boolean).join("; ");

/** The rows that are shown, as text for spreadsheets, which shall read no name as a formula. */
function csvOf(table, shownRows) {
  const quoted = (text) => `"${(/^[=+@\t\r-]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text).replaceAll('"', '""')}"`;
  const lines = [["Conditions", ...table.columns.map((column) => column.name), "Runs"]];
  for (const block of table.blocks) {
    for (const row of shownRows(block)) lines.push([conditionsOf(block), ...row.cells.map(wholeText), row.runs.join(" ")]);
  }
  return lines.map((line) => line.map(quoted).join(",")).join("\r\n");
}

const wholeText = (cell) => textOf(cell) + (cell.spread ? ` ± ${cell.spread}` : "");

function save(name, text) {
  const link = element("a", { href: URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}

/** The values that a row has in a column one selects from; an ablation's column may hold several. */
const valuesOf = (table, index, row) => {
  const text = textOf(row.cells[index]);
  return table.columns[index].name === "Ablation" ? text.split(", ") : [text];
};

/** A list to choose one value of a column from; null where there is nothing to choose. */
function selection(table, name, choose) {
  const index = table.columns.findIndex((column) => column.name === name);
  const values = [...new Set(table.blocks.flatMap((block) => block.rows.flatMap((row) => valuesOf(table, index, row))))];
  if (values.length < 2) return null;
  values.sort((a, b) => compare(sortKey(a), sortKey(b), 1));
  const options = ["", ...values].map((value) => element("option", { value }, value || "all"));
  const list = element("select", { onchange: (event) => choose(index, event.target.value) }, ...options);
  return element("label", {}, name, list);
}

/** The tables of the report, each drawn when it is opened for the first time. */
function showTables(content) {
  for (const [number, table] of content.tables.entries()) {
    const details = element("details", { id: `table-${table.name}` }, element("summary", {}, table.title));
    const fill = () => details.children.length > 1 || details.append(tableView(table, content));
    details.addEventListener("toggle", fill);
    details.open = number === 0;
    byId("tables").append(details);
  }
  if (!content.tables.length) byId("tables").append("No declared table has a finished run.");
}
