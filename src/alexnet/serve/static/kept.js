// Choices that outlast a visit, where the browser keeps any.

export function recall(name) {
  try {
    return localStorage.getItem(`alexnet.${name}`);
  } catch {
    return null; // storage is forbidden
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(`alexnet.${name}`, value);
  } catch {
    // the choice holds for this visit
  }
}
