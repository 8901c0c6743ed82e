// The page: what is asked when, and shown where.

import { get, post, Wrong } from "./ask.js";
import { find } from "./dom.js";
import { renderBars, renderViews } from "./guesses.js";
import { clearHeat, renderHeat, renderOpacity, renderPreview, renderTargets } from "./heat.js";
import { listen, renderExamples } from "./input.js";
import { keep } from "./kept.js";
import { renderKernels } from "./kernels.js";
import { listenToWalk, names, renderMaps, renderWalk } from "./layers.js";
import { renderIndex, renderNear } from "./near.js";
import { choose, current, percent, say } from "./words.js";

const known = { model: null, kernels: null, index: null }; // of the network
let asked = null; // of the picture: { file, stop, predicted, heat, views, maps, near, target }
let wrong = null;
let state = null; // a function that says what goes on
let isDone = false;

const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

function render() {
  document.documentElement.lang = current() === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = say(element.dataset.word);
  find("language").textContent = current() === "zh" ? "English" : "中文";
  find("language").lang = current() === "zh" ? "en" : "zh-CN";
  find("theme").textContent = say(isDark() ? "light" : "dark");
  renderState();
  renderExamples();
  renderWalk();
  renderIndex(known.index);
  if (known.kernels) renderKernels(known.kernels);
  if (known.model) {
    const { lineage, num_classes: classes, size } = known.model;
    find("network").textContent = say("network", { lineage, classes, size });
  }
  if (asked?.predicted) renderTargets(asked.predicted.top, known.model.labels, asked.target);
  if (asked?.heat) renderHeat(asked.heat);
  if (asked?.views) renderViews(asked.views);
  if (asked?.near) renderNear(asked.near);
}

function renderState() {
  find("wrong").textContent = wrong ? wrong.words : "";
  find("said").textContent = state ? state() : "";
  find("busy").textContent = state && !isDone ? state() : ""; // the bars tell the rest to those who see
}

function refuse(error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof Wrong)) throw error;
  wrong = error;
  state = null;
  renderState();
}

function took(file) {
  asked?.stop.abort();
  wrong = null;
  asked = { file, stop: new AbortController() };
  state = () => say("working");
  isDone = false;
  renderState();
  lookAt(asked).catch((error) => {
    find("answers").hidden = true;
    refuse(error);
  });
}

/** Ask all that is shown of a picture: first what it is, then, side by side, the rest. */
async function lookAt(mine) {
  renderMaps(null);
  renderNear(null);
  clearHeat();
  renderPreview(mine.file);
  await predict(mine);
  find("answers").hidden = false;
  const heat = explain(mine);
  const views = ask(mine, "/v1/explain", { kind: "views" }).then((found) => renderViews((mine.views = found)));
  const maps = ask(mine, "/v1/explain", [["kind", "maps"], ...names().map((name) => ["layer", name])]).then((found) =>
    renderMaps((mine.maps = found.layers)),
  );
  const near = known.index && ask(mine, "/v1/similar", {}).then((found) => renderNear((mine.near = found.neighbours)));
  const failed = (await Promise.allSettled([heat, views, maps, near])).find((each) => each.status === "rejected");
  if (failed) refuse(failed.reason);
}

function ask(mine, path, query) {
  const waits = () => {
    if (isDone) return; // what matters most is there
    state = () => say("waiting");
    renderState();
  };
  return post(path, query, mine.file, mine.stop.signal, waits);
}

async function predict(mine) {
  const views = chosen("views");
  const [found] = await ask(mine, "/v1/predict", { top: 5, views });
  mine.target ??= found.top[0].index;
  if (views !== chosen("views")) return; // another answer is on its way
  mine.predicted = found;
  const best = found.top.map((guess) => `${guess.label} ${percent(guess.prob)}`).join(", ");
  state = () => say("done", { top: best });
  isDone = true;
  renderState();
  renderBars(found.top);
  renderTargets(found.top, known.model.labels, mine.target);
}

async function explain(mine) {
  const kind = chosen("kind");
  const { target } = mine;
  const isWanted = () => mine === asked && kind === chosen("kind") && target === mine.target;
  find("heat").classList.add("dim");
  find("heat-said").textContent = say("working");
  wrong = null;
  renderState();
  try {
    const found = await ask(mine, "/v1/explain", { kind, index: target });
    if (!isWanted()) return; // another is on its way
    mine.heat = found;
    await renderHeat(found);
  } catch (error) {
    if (!isWanted()) return;
    clearHeat();
    throw error;
  } finally {
    if (isWanted()) find("heat").classList.remove("dim");
  }
}

function isDark() {
  const set = document.documentElement.dataset.theme;
  return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function listenToSwitches() {
  find("language").addEventListener("click", () => {
    choose(current() === "zh" ? "en" : "zh");
    render();
  });
  find("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    keep("theme", document.documentElement.dataset.theme);
    render();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
  find("opacity").addEventListener("input", renderOpacity);
  find("views-choice").addEventListener("change", () => asked && predict(asked).catch(refuse));
  find("kind-choice").addEventListener("change", () => asked && explain(asked).catch(refuse));
  find("target").addEventListener("change", () => {
    asked.target = Number(find("target").value);
    explain(asked).catch(refuse);
  });
}

async function start() {
  listenToSwitches();
  render();
  known.model = await get("/v1/model");
  if (!known.model.labels.length)
    known.model.labels = Array.from({ length: known.model.num_classes }, (_, index) => `class ${index}`);
  known.kernels = await get("/v1/kernels");
  known.index = known.model.index;
  listenToWalk(await get("/v1/layers"));
  render();
  listen(took, refuse);
  renderExamples();
  document.documentElement.dataset.ready = "yes";
}

start().catch(refuse);
