// The first layer's kernels, tower by tower: the paper's figure 3.

import { find, make } from "./dom.js";
import { number, percent, say } from "./words.js";

export function renderKernels({ layer, towers }) {
  find("kernels-note").textContent = say("kernelsNote", { layer });
  find("kernels").replaceChildren(
    ...towers.map((tower) => {
      const said = say("tower", {
        number: tower.tower,
        kernels: number(tower.kernels),
        share: percent(tower.colour_share, 0),
      });
      return make(
        "figure",
        {},
        make("img", { src: `/v1/kernels/${tower.tower}.png`, alt: said, className: "kernels" }),
        make("figcaption", {}, said),
      );
    }),
  );
}
