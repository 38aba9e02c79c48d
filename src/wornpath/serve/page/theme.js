// Run before the first paint, so that a page in the dark does not begin with a flash of light.
(() => {
  let kept = null;
  try {
    kept = localStorage.getItem("wornpath.theme");
  } catch {
    kept = null;
  }
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
