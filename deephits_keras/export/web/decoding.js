// From a graph's outputs to a prediction: `Task.decode`, the chosen tier and the sets of a calibration.
export function decode(outputs, { kind, tiers, decoding, coverage, threshold }) {
  const labels = tiers.map(([label]) => label);
  if (kind === "regression") {
    const popularity = clipped(outputs[0] * 100), tier = tiers.findLastIndex(([, low]) => popularity >= low);
    const interval = threshold === null ? null : [clipped(popularity - threshold), clipped(popularity + threshold)];
    return { popularity, tier_label: labels[tier], scores: {}, tier_set: [], interval, coverage };
  }
  const top = Math.max(...outputs), raised = Array.from(outputs, (logit) => Math.exp(logit - top));
  const scores = raised.map((value) => value / sum(raised)), chosen = tierOf(scores, decoding);
  const inside = (score, tier) => 1 - score <= threshold || tier === chosen || tier === largest(scores);
  return {
    popularity: sum(scores.map((score, tier) => score * (tiers[tier][1] + tiers[tier][2]) / 2)),
    tier_label: labels[chosen],
    scores: Object.fromEntries(scores.map((score, tier) => [labels[tier], score])),
    tier_set: threshold === null ? [] : labels.filter((_, tier) => inside(scores[tier], tier)),
    interval: null,
    coverage,
  };
}

function tierOf(scores, { rule, alpha, shares }) {
  if (rule === "distance") {
    let reached = 0;
    return scores.findIndex((score) => { reached += score; return reached >= 0.5 - 1e-9; });
  }
  return largest(alpha ? scores.map((score, tier) => score / shares[tier] ** alpha) : scores);
}

function largest(values) { return values.indexOf(Math.max(...values)); }

function sum(values) { return values.reduce((total, value) => total + value, 0); }

function clipped(popularity) { return Math.max(0, Math.min(100, popularity)); }
