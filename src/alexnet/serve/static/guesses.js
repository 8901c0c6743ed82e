// The likeliest classes as bars, and the ten views.

import { decoded, find, make, pixels } from "./dom.js";
import { percent, say } from "./words.js";

export function renderBars(top) {
  find("bars").replaceChildren(
    ...top.map((guess, rank) => {
      const fill = make("span", { className: "fill" });
      fill.style.width = `${100 * guess.prob}%`;
      const bar = make("span", { className: rank ? "bar" : "bar first", aria: { hidden: true } }, fill);
      return make(
        "li",
        {},
        make("span", { className: "name" }, guess.label),
        make("span", { className: "share" }, percent(guess.prob)),
        bar,
      );
    }),
  );
}

export async function renderViews({ square, size, views }) {
  const whole = await decoded(square);
  find("ten").replaceChildren(
    ...views.map((view, index) => {
      const canvas = make("canvas", {
        width: size,
        height: size,
        role: "img",
        className: view.mirrored ? "mirrored" : "",
      });
      canvas.getContext("2d").putImageData(pixels(whole, view.x, view.y, size, size), 0, 0);
      const place = say("places")[index % 5] + (view.mirrored ? `, ${say("mirrored")}` : "");
      canvas.setAttribute("aria-label", place);
      const [best] = view.top;
      return make(
        "li",
        {},
        canvas,
        make("span", { className: "name" }, best.label),
        make(
          "span",
          { className: "faint" },
          percent(best.prob, 0),
          make("span", { className: "place" }, ` · ${place}`),
        ),
      );
    }),
  );
}
