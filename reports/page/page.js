"use strict";

/** An element with attributes and children; text children are set as text, never read as markup. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
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

/** Shows the place that the page's address names; the browser looked for it when little was there. */
function showNamedPlace() {
  const place = document.querySelector("main :target");
  const scroll = () => place?.scrollIntoView();
  if (!place?.matches("details:not([open])")) return scroll();
  place.addEventListener("toggle", scroll, { once: true }); // after that which fills it
  place.open = true;
}

async function start() {
  if (!("DecompressionStream" in window)) {
    byId("state").textContent = "This browser is too old for this page (it needs one of 2023 or newer).";
    return;
  }
  byId("state").textContent = "Plots and tables are being unpacked…";
  const content = JSON.parse(await unpacked("content"));
  showTable(byId("results"), content.results);
  showTables(content.tables);
  followRecords(content.runs, content.mlflow);
  document.head.append(element("script", {}, await unpacked("plotly")));
  showPlots(content.plots);
  showPoses(content.poses);
  byId("state").remove();
  showNamedPlace();
  addEventListener("hashchange", showNamedPlace);
  document.documentElement.dataset.ready = "yes";
}
