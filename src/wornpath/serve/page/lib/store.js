// State that views watch: a value, a patch, and a call of every watcher at most once a frame.

export function createStore(initial) {
  const state = { ...initial };
  const watchers = new Set();
  let waiting = false;
  const tell = () => {
    waiting = false;
    for (const watcher of [...watchers]) watcher(state);
  };
  return {
    state,
    /** Merge PATCH (or nothing, when something inside changed) and tell the watchers in the next frame. */
    set(patch = {}) {
      Object.assign(state, patch);
      if (!waiting) {
        waiting = true;
        nextFrame(tell);
      }
    },
    /** Call WATCHER after changes, until the returned function is called. */
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

/** Like requestAnimationFrame, which does not come at all in a hidden tab. */
export function nextFrame(work) {
  if (document.hidden) setTimeout(work, 50);
  else requestAnimationFrame(work);
}
