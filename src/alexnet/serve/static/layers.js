// A walk through the layers that have weights: shapes, words, and the maps of a picture.

import { colour, MAP } from "./colours.js";
import { decoded, find, make, pixels } from "./dom.js";
import { number, percent, say } from "./words.js";

let stops = []; // each a layer with weights, and the rows without that follow it
let at = 0;
let answers = {}; // by name of the layer

export const names = () => stops.map(({ layer }) => layer.name);

export function listenToWalk(rows) {
  for (const row of rows) {
    if (row.params) stops.push({ layer: row, after: [] });
    else if (row.kind !== "dropout") stops.at(-1)?.after.push(row); // which rests in a trained network
  }
  find("steps").replaceChildren(...stops.map(tab));
  find("back").addEventListener("click", () => go(at - 1));
  find("next").addEventListener("click", () => go(at + 1));
  find("steps").addEventListener("keydown", (event) => {
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: stops.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    go(next);
    find("steps").children[at].focus();
  });
  renderWalk();
}

export function renderMaps(layers) {
  answers = Object.fromEntries((layers ?? []).map((each) => [each.layer, each]));
  renderWalk();
}

export function renderWalk() {
  if (!stops.length) return;
  [...find("steps").children].forEach((each, index) => {
    each.setAttribute("aria-selected", index === at);
    each.tabIndex = index === at ? 0 : -1;
  });
  const { layer, after } = stops[at];
  find("step").setAttribute("aria-labelledby", `step-${layer.name}`);
  find("step-title").textContent = `${layer.name}: ${say("shape", { shape: layer.out_shape })}`;
  find("step-said").textContent = sentences(layer, after).join(say("gap"));
  find("back").disabled = at === 0;
  find("next").disabled = at === stops.length - 1;
  showMaps(answers[layer.name]);
}

function go(index) {
  at = Math.max(0, Math.min(index, stops.length - 1));
  renderWalk();
}

/** A tab that looks like its layer: as tall as its maps, as wide as they are many. */
function tab({ layer }, index) {
  const [channels, side] = layer.out_shape;
  const block = make("span", { className: side ? "block" : "block flat" });
  block.style.height = side ? `${8 + 0.62 * Math.min(side, 56)}px` : "43px";
  block.style.width = side ? `${3 + Math.min(channels, 400) / 16}px` : `${2 + Math.log10(channels)}px`;
  const button = make(
    "button",
    { type: "button", id: `step-${layer.name}`, role: "tab", aria: { controls: "step" } },
    make("span", { className: "block-box", aria: { hidden: true } }, block),
    layer.name,
  );
  button.addEventListener("click", () => go(index));
  return button;
}

function sentences(layer, after) {
  const [depth] = layer.in_shape;
  const groups = layer.groups ?? 1;
  const facts = {
    kernels: number(layer.out_shape[0]),
    side: layer.kernel_size,
    depth: depth / groups,
    stride: layer.stride,
    groups,
  };
  const said =
    layer.kind in { conv: 1, local: 1 }
      ? say(layer.kind, facts)
      : say("fc", {
          inputs: number(layer.in_shape.reduce((one, other) => one * other)),
          outputs: number(layer.out_shape[0]),
        });
  const counts = say("weights", { params: number(layer.params), macs: number(layer.macs) });
  if (layer === stops.at(-1).layer) return [said, say("last"), counts];
  const rows = after.map(
    (row) => `${row.name} ${say("rows")[row.kind] ?? row.kind} → ${say("shape", { shape: row.out_shape })}`,
  );
  return [said, counts, ...(rows.length ? [say("then", { rows })] : [])];
}

async function showMaps(answer) {
  find("maps").hidden = !answer;
  find("no-maps").hidden = Boolean(answer);
  if (!answer) return;
  const { layer, shape, maps, zeros } = answer;
  const column = await decoded(answer.tiles);
  if (stops[at].layer.name !== layer) return; // walked on meanwhile
  const isMaps = shape.length === 3;
  const side = column.width;
  const count = isMaps ? maps.length : 1;
  const facts = { shown: count, all: number(shape[0]), zeros: percent(zeros, 0) };
  find("maps-said").textContent = say(isMaps ? "maps" : "numbers", facts);
  find("maps-tiles").className = isMaps ? "maps" : "maps single";
  find("maps-tiles").setAttribute("aria-label", find("maps-said").textContent);
  find("maps-tiles").replaceChildren(
    ...Array.from({ length: count }, (_, index) => {
      const height = column.height / count;
      const canvas = make("canvas", { width: side, height, title: isMaps ? say("map", { index: maps[index] }) : "" });
      const tile = colour(pixels(column, 0, index * height, side, height), MAP);
      if (!isMaps) tile.data.fill(0, 4 * shape[0]); // the square has room for more numbers than there are
      canvas.getContext("2d").putImageData(tile, 0, 0);
      return canvas;
    }),
  );
}
