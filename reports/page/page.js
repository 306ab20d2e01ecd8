"use strict";

/** An element with attributes and children; text children are set as text, never read as markup. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const byId = (id) => document.getElementById(id);

/** A colour of the style sheet, as it is in the present colour scheme. */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const onColourScheme = (action) => matchMedia("(prefers-color-scheme: dark)").addEventListener("change", action);

/** The text that lies gzipped, in base64, in a script element. */
async function unpacked(id) {
  const bytes = Uint8Array.from(atob(byId(id).textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** The answer under the fullest conditions; those under others fold away. */
function showAnswers(answers) {
  byId("answer").hidden = document.querySelector("a[href='#answer']").hidden = !answers.length;
  byId("answer").append(...answers.map(({ title, lines }, index) => index
    ? element("details", {}, element("summary", {}, title), list(lines))
    : element("div", {}, element("p", { class: "note" }, title), list(lines))));
}

async function start() {
  if (!("DecompressionStream" in window)) {
    byId("summary").textContent = "This browser is too old for this page (it needs one of 2023 or newer).";
    return;
  }
  const content = JSON.parse(await unpacked("content"));
  const runs = Object.keys(content.runs).length;
  byId("summary").replaceChildren(
    `${runs.toLocaleString("en")} runs of ${content.trainings.toLocaleString("en")} trained models; declared `,
    `${content.created} by `, element("code", {}, content.command),
  );
  byId("warnings").hidden = !content.warnings.length;
  byId("warnings").firstChild.textContent = `Warnings: ${content.warnings.length}`;
  byId("warnings").lastChild.append(...content.warnings.map((text) => element("li", {}, text)));
  showAnswers(content.answers);
  byId("claims").hidden = document.querySelector("a[href='#claims']").hidden = !content.verdicts.length;
  byId("claims").lastElementChild.append(...content.verdicts.map((text) => element("li", {}, text)));
  document.querySelector("main").hidden = false;
  byId("results").append(tableView(content.results, content));
  showTables(content);
  followRecords(content);
  document.head.append(element("script", {}, await unpacked("plotly")));
  showPlots(content);
  showPoses(content.poses, content.looks);
  document.documentElement.dataset.ready = "yes";
}
