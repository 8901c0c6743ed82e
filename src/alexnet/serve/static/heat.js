// What speaks for a class, over the picture.

import { colour, HEAT } from "./colours.js";
import { decoded, find, make, pixels } from "./dom.js";
import { say } from "./words.js";

let preview = null; // the address of the picture as the browser shows it

/** Show about what the network will look at, until it says so itself; nothing, of formats that browsers do not know. */
export function renderPreview(file) {
  if (preview) URL.revokeObjectURL(preview);
  preview = URL.createObjectURL(file);
  const view = find("view");
  view.hidden = false;
  view.onerror = () => (view.hidden = true);
  view.style.filter = "";
  view.src = preview;
}

export function clearHeat() {
  const canvas = find("heat-map");
  canvas.width = canvas.height = 1;
  canvas.hidden = true;
  find("heat-said").textContent = "";
  find("heat").classList.remove("dim");
}

export async function renderHeat({ kind, view, heat, target, hottest }) {
  const levels = await decoded(heat);
  const canvas = find("heat-map");
  const { width, height } = levels;
  Object.assign(canvas, { width, height, hidden: false });
  canvas.getContext("2d").putImageData(colour(pixels(levels, 0, 0, width, height), HEAT), 0, 0);
  find("view").hidden = false;
  find("view").src = `data:image/png;base64,${view}`;
  const said =
    hottest.value > 0 ? say("heatSaid", { kind, label: target.label }) : say("heatNone", { label: target.label });
  find("heat-said").textContent = said;
  canvas.setAttribute("aria-label", said);
  renderOpacity();
}

export function renderOpacity() {
  const share = find("opacity").value / 100;
  find("heat-map").style.opacity = share;
  find("view").style.filter = `grayscale(${Math.min(1, 2 * share)})`; // colours below colours are hard to read
}

/** Fill the choice of classes: the likeliest, then all; `chosen` is the index of one. */
export function renderTargets(top, labels, chosen) {
  const option = (label, index) => make("option", { value: index, selected: index === chosen }, label);
  const named = new Set(top.map((guess) => guess.index));
  const rest = labels.map((label, index) => [label, index]).filter(([, index]) => !named.has(index));
  rest.sort(([one], [other]) => one.localeCompare(other));
  find("target").replaceChildren(
    make("optgroup", { label: say("likeliest") }, ...top.map((guess) => option(guess.label, guess.index))),
    make("optgroup", { label: say("every") }, ...rest.map(([label, index]) => option(label, index))),
  );
}
