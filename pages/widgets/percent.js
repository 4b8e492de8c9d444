// 0.614 -> "61%", 0.0123 -> "1.2%", 0.00004 -> "< 0.01%"
function percent(p) {
  if (p === null || !Number.isFinite(p)) return "\u2026";
  const x = 100 * p;
  return x === 0 ? "0%" : x < 0.01 ? "< 0.01%" : `${x >= 10 ? x.toFixed(0) : x.toPrecision(2)}%`;
}
