"use strict";

const ROWS_AT_FIRST = 100;

/** The run behind a number as the end of the page's address; `followRecords` opens its record. */
const recordLink = (run) => `#run-${run}`;

/** A number where a text is one, else the text without regard to case; null where it is missing. */
function sortKey(text) {
  if (text === "") return null;
  const number = Number(text.replaceAll(",", ""));
  return Number.isNaN(number) ? text.toLowerCase() : number;
}

/** Missing cells last in either direction, numbers before text. */
function compare(a, b, direction) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return direction * (typeof a === "number" ? a - b : a.localeCompare(b));
}

const shownText = (cell) => (cell.classList.contains("missing") ? "" : cell.textContent);

/** A body of a table: its headings, and its rows with their texts: conditions, one per column, runs. */
function blockOf(body) {
  const headings = [...body.querySelectorAll("tr[class]")];
  const conditions = headings.map((heading) => heading.textContent).join("; ");
  const rows = [...body.querySelectorAll("tr:not([class])")].map((row) => {
    const texts = [conditions, ...[...row.cells].map(shownText), row.dataset.runs ?? ""];
    return { row, texts, searched: texts.join(" ").toLowerCase() };
  });
  return { body, headings, rows };
}

/** Makes a table that stands in `view` sort, filter and save its rows. */
function followTable(view) {
  const table = view.querySelector("table");
  const heads = [...table.tHead.rows[0].cells];
  const blocks = [...table.tBodies].map(blockOf);
  const selections = [...view.querySelectorAll("select")];
  const parts = ["input", "[role=status]", ".more", ".csv"];
  const [search, found, more, download] = parts.map((part) => view.querySelector(part));
  const total = blocks.reduce((sum, block) => sum + block.rows.length, 0);
  let limit = ROWS_AT_FIRST;

  function sortBy(head) {
    const order = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    if (order !== null) head.setAttribute("aria-sort", order ?? "ascending");
    draw();
  }

  /** Several ablations share a cell. */
  const isChosen = ({ texts }, { value, dataset }) => {
    const text = texts[dataset.column];
    return value === "" || text === value || text.split(", ").includes(value);
  };

  function matching({ rows }) {
    const words = search.value.toLowerCase().split(/\s+/);
    const kept = rows.filter((row) => words.every((word) => row.searched.includes(word))
      && selections.every((selection) => isChosen(row, selection)));
    const column = heads.findIndex((head) => head.hasAttribute("aria-sort"));
    if (column < 0) return kept;
    const direction = heads[column].getAttribute("aria-sort") === "ascending" ? 1 : -1;
    const keyed = kept.map((row) => [sortKey(row.row.cells[column].dataset.number ?? row.texts[column + 1]), row]);
    return keyed.sort((a, b) => compare(a[0], b[0], direction)).map(([, row]) => row);
  }

  function draw() {
    let [count, last] = [0, null];
    for (const block of blocks) {
      const rows = matching(block);
      const shown = rows.slice(0, Math.max(0, limit - count));
      count += rows.length;
      block.body.remove();
      if (!shown.length) continue;
      const [first] = block.headings;
      if (first) first.hidden = first.textContent === last;
      last = first?.textContent;
      block.body.replaceChildren(...block.headings, ...shown.map(({ row }) => row));
      table.append(block.body);
    }
    found.textContent = `${count.toLocaleString("en")} of ${total.toLocaleString("en")} rows`;
    more.hidden = count <= limit;
    more.textContent = `Show more (${(count - limit).toLocaleString("en")} hidden)`;
  }

  /** The rows that match, as text for spreadsheets. */
  function csv() {
    const rows = blocks.flatMap((block) => block.rows);
    const fields = heads.flatMap((head, at) => fieldsOf(head.textContent, at, rows));
    const names = ["Conditions", ...fields.map(({ name }) => name), "Runs"];
    const lines = blocks.flatMap(matching)
      .map(({ row, texts }) => [texts[0], ...fields.map(({ at, of }) => of(row.cells[at])), texts.at(-1)]);
    return [names, ...lines].map((line) => line.map(quoted).join(",")).join("\r\n");
  }

  for (const head of heads) {
    head.replaceChildren(element("button", { type: "button", onclick: () => sortBy(head) }, head.textContent));
  }
  view.querySelector(".controls").addEventListener("input", draw);
  more.addEventListener("click", () => {
    limit *= 5;
    draw();
  });
  download.addEventListener("click", () => save(`${table.caption.textContent}.csv`, csv()));
  draw();
}

/** What may stand in a cell beside its number. */
const BESIDE = {
  "±": (cell) => cell.querySelector("small")?.textContent.replace("± ", "") ?? "",
  "minus best other": ({ dataset }) => dataset.ahead ?? "",
  "minus best other ±": ({ dataset }) => dataset.aheadSpread ?? "",
  disturbed: (cell) => (cell.dataset.number && cell.textContent.endsWith("*") ? "yes" : ""),
};

/** Fields of a column in CSV: its number as measured, or its text, and what any of its cells has beside it. */
function fieldsOf(name, at, rows) {
  const beside = Object.entries(BESIDE).filter(([, of]) => rows.some(({ row }) => of(row.cells[at])));
  const numberOrText = (cell) => cell.dataset.number ?? shownText(cell);
  return [{ name, at, of: numberOrText }, ...beside.map(([what, of]) => ({ name: `${name} ${what}`, at, of }))];
}

/** A text as CSV has it; no spreadsheet shall read a name as a formula. */
function quoted(text) {
  const isFormula = /^\s*[=+@＝＋＠－-]|^[\t\r\n]/.test(text) && Number.isNaN(Number(text));
  return `"${(isFormula ? `'${text}` : text).replaceAll('"', '""')}"`;
}

function save(name, text) {
  const content = new Blob(["\ufeff", text], { type: "text/csv" });
  const link = element("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}

/** The tables of the report, each read when it is opened for the first time. */
function showTables(tables) {
  for (const [number, { name, html }] of tables.entries()) {
    const details = byId(`table-${name}`);
    details.addEventListener("toggle", () => showTable(details, html), { once: true });
    details.open = number === 0;
  }
}

/** Adds a table that Python wrote as HTML, with every text in it escaped. */
function showTable(place, html) {
  place.insertAdjacentHTML("beforeend", html);
  followTable(place.lastElementChild);
}
