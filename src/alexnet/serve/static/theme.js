// Not a module: it runs before anything is painted, so that the page does not flash in the other theme.
try {
  const chosen = localStorage.getItem("alexnet.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // storage is forbidden: the system's theme
}
