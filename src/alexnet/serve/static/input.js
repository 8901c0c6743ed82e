// The ways a picture comes in: a file, a drop, a paste, the camera, an example.

import { Wrong } from "./ask.js";
import { find, make } from "./dom.js";
import { say } from "./words.js";

const EXAMPLES = ["chelsea", "coffee", "rocket"];

/** Call `took` with each picture, and `refused` with what is wrong where there is none. */
export function listen(took, refused) {
  for (const id of ["file", "capture"]) {
    const input = find(id);
    input.addEventListener("change", () => {
      if (input.files.length) take(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    });
  }
  listenToDrops(take);
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (file) take(file);
  });
  listenToCamera(take, refused);
  for (const name of EXAMPLES) find("examples").append(example(name, take, refused));

  function take(file) {
    if (file.type && !file.type.startsWith("image/")) refused(new Wrong(() => say("noPicture")));
    else took(file);
  }
}

/** Say the examples' names again, in the language chosen. */
export function renderExamples() {
  for (const button of find("examples").children) button.firstChild.alt = say("example", { name: button.dataset.name });
}

function example(name, take, refused) {
  const address = `/static/${name}.jpg`;
  const button = make(
    "button",
    { type: "button", className: "example", data: { name } },
    make("img", { src: address, alt: name }),
  );
  button.addEventListener("click", async () => {
    try {
      take(new File([await (await fetch(address)).blob()], `${name}.jpg`, { type: "image/jpeg" }));
    } catch {
      refused(new Wrong(() => say("unreachable")));
    }
  });
  return button;
}

function listenToDrops(take) {
  const zone = find("drop");
  let inside = 0; // enter and leave come for each child, too
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => event.preventDefault()); // else the browser leaves the page for the file
  }
  document.addEventListener("dragenter", () => zone.classList.toggle("over", (inside += 1) > 0));
  document.addEventListener("dragleave", () => zone.classList.toggle("over", (inside -= 1) > 0));
  document.addEventListener("drop", (event) => {
    zone.classList.toggle("over", (inside = 0) > 0);
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
}

function listenToCamera(take, refused) {
  const dialog = find("camera-dialog");
  const video = find("video");
  find("camera").addEventListener("click", async () => {
    if (!navigator.mediaDevices) return find("capture").click(); // not a secure address: a phone has its own camera
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      dialog.showModal();
    } catch {
      refused(new Wrong(() => say("noCamera")));
    }
  });
  find("shoot").addEventListener("click", () => {
    const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => blob && take(new File([blob], "camera.png", { type: "image/png" })), "image/png");
    dialog.close();
  });
  find("camera-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
  });
}
