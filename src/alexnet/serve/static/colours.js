// Gray levels as colours: even steps of lightness, the same to colour-blind eyes.

const CIVIDIS = [
  [0, 34, 78],
  [67, 78, 108],
  [125, 124, 120],
  [188, 175, 111],
  [254, 232, 56],
];
const VIRIDIS = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];

/** The tones of 256 levels. */
function table(tones) {
  return Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * (tones.length - 1);
    const below = Math.min(Math.floor(place), tones.length - 2);
    return tones[below].map((tone, plane) => Math.round(tone + (place - below) * (tones[below + 1][plane] - tone)));
  });
}

export const HEAT = table(CIVIDIS);
export const MAP = table(VIRIDIS);

/** Colour the levels (red plane) of some pixels in place. */
export function colour(data, tones) {
  const bytes = data.data;
  for (let at = 0; at < bytes.length; at += 4) {
    [bytes[at], bytes[at + 1], bytes[at + 2]] = tones[bytes[at]];
    bytes[at + 3] = 255;
  }
  return data;
}
