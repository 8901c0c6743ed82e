// The nearest pictures of the server's index.

import { find, make } from "./dom.js";
import { number, say } from "./words.js";

export function renderIndex(index) {
  find("near-section").hidden = !index;
  if (index) find("near-note").textContent = say("nearNote", { pictures: number(index.pictures), layer: index.layer });
}

export function renderNear(neighbours) {
  find("near").replaceChildren(
    ...(neighbours ?? []).map((each) => {
      const name = each.label ?? say("rank", { rank: each.rank });
      const image = make("img", { src: each.picture, alt: name });
      image.addEventListener("error", () => image.replaceWith(make("span", { className: "gone" }, say("gone"))));
      const distance = say("distance", { distance: number(each.distance, each.distance < 10 ? 2 : 0) });
      return make(
        "li",
        {},
        image,
        make("span", { className: "name" }, name),
        make("span", { className: "faint" }, distance),
      );
    }),
  );
}
