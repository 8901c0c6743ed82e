// The server's answers, or what went wrong in words for people.

import { say } from "./words.js";

const TRIES = 5;

/** A mistake to be shown beside the picture; `words` follow the language that is chosen when they are read. */
export class Wrong extends Error {
  constructor(told) {
    super();
    this.told = told;
  }

  get words() {
    return this.told();
  }
}

export async function get(path) {
  return answered(await reach(path, {}));
}

/** Send a picture as the body. Where the server is busy, wait as long as it says and try again; `waits` is told. */
export async function post(path, query, picture, signal, waits = () => {}) {
  const address = `${path}?${new URLSearchParams(query)}`;
  const headers = { "Content-Type": picture.type.startsWith("image/") ? picture.type : "application/octet-stream" };
  for (let tried = 1; ; tried += 1) {
    const answer = await reach(address, { method: "POST", body: picture, headers, signal });
    if (answer.status !== 503 || tried === TRIES) return answered(answer);
    waits();
    await pause(1000 * (Number(answer.headers.get("Retry-After")) || 1), signal);
  }
}

async function reach(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Wrong(() => say("unreachable"));
  }
}

async function answered(answer) {
  if (answer.ok) return answer.json();
  const { detail } = await answer.json().catch(() => ({}));
  throw new Wrong(() => wording(answer.status, detail));
}

/** Our own words for a status where there are some; else the server's, which are English. */
function wording(status, detail) {
  const own = say("status")[status];
  if (own) return own;
  if (typeof detail !== "string") return say("failed", { status });
  // The server speaks of files of a collection; here another one is chosen.
  const theirs = detail.replace(/^picture 0: /, "").replace(/[^.]*\bremove it\.$/i, ` ${say("another")}`);
  return theirs[0].toUpperCase() + theirs.slice(1);
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
