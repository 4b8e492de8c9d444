// 0.614 -> "61 %", 0.0123 -> "1.2 %", 0.00004 -> "< 0.01 %"
function percent(p) {
  const x = 100 * p;
  return x === 0 ? "0 %" : x < 0.01 ? "< 0.01 %" : `${x >= 10 ? x.toFixed(0) : Number(x.toPrecision(2))} %`;
}
