// The little statistics that the curves need.

/** Wilson's interval of a proportion, 95 % (Wilson 1927; Agresti and Coull 1998). */
export function wilson(successes, n, z = 1.959964) {
  if (!n) return [0, 1];
  const p = successes / n;
  const middle = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))) / (1 + (z * z) / n);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** How many runs a point of a curve looks back on. */
export const windowOf = (count) => Math.max(5, Math.min(30, Math.round(count / 5)));

/** Of POINTS ({success: 1, 0 or null, tokens}), at each the success of the last WIDTH judged ones with its interval, and median tokens. */
export function rolling(points, width = windowOf(points.length)) {
  const judged = [];
  return points.map((point, index) => {
    if (point.success !== null && point.success !== undefined) judged.push(point.success);
    const last = judged.slice(-width);
    const met = last.reduce((sum, one) => sum + one, 0);
    const [low, high] = wilson(met, last.length);
    const tokens = median(points.slice(Math.max(0, index - width + 1), index + 1).map((one) => one.tokens ?? 0));
    return { n: point.n ?? index + 1, rate: last.length ? met / last.length : null, low, high, tokens };
  });
}

/** Round steps for an axis from 0 to at least MOST. */
export function ticks(most, count = 4) {
  if (!(most > 0)) return [0, 1];
  const raw = most / count;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((m) => m * size >= raw) * size;
  const out = [];
  for (let at = 0; at < most + step * 0.999; at += step) out.push(at);
  return out;
}
