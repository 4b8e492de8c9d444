// From a small grid of numbers to pixels.

// What the grid says where it lies: extremes with their cells, counted from 0.
function survey({h, w, data}) {
  let low = 0, high = 0;
  for (let i = 1; i < data.length; i++) {
    if (data[i] < data[low]) low = i;
    if (data[i] > data[high]) high = i;
  }
  const at = (i) => ({value: data[i], row: Math.floor(i / w), column: i % w});
  return {lowest: at(low), highest: at(high), h, w};
}

// values - q * slope, cell by cell: linear in Q, so a new Q costs one pass over a small grid. With a level, only what
// speaks against Q remains, by side: above zero where the level lies above Q, below zero where it lies below.
function contrasted({values, slope, level}, q) {
  const data = new Float32Array(values.data.length);
  for (let i = 0; i < data.length; i++) {
    const value = values.data[i] - q * slope.data[i];
    data[i] = level ? Math.max(0, value) * Math.sign(level.data[i] - q) : value;
  }
  return {h: values.h, w: values.w, data};
}

// The 99.5th percentile of the absolute value over all the given grids together (the common scale of all marked Q).
function percentile(grids) {
  const sizes = new Float32Array(grids.reduce((sum, grid) => sum + grid.data.length, 0));
  let at = 0;
  for (const {data} of grids) for (let i = 0; i < data.length; i++) sizes[at++] = Math.abs(data[i]);
  sizes.sort();
  const place = 0.995 * (sizes.length - 1);
  const i = Math.floor(place);
  return sizes[i] + (place - i) * ((sizes[i + 1] ?? sizes[i]) - sizes[i]);
}

// For n pixels that show `share` of the photo from `from` on: the first and second cell of each and the second's
// weight. A cell's value stands at its centre; beyond the outermost centres the edge value holds, up to half a
// cell beyond the extent (a ResNet's last centre lies a cell before the edge). Pixels farther out get first = -1.
function samples(n, from, share, [begin, end], cells, smooth) {
  const first = new Int32Array(n), second = new Int32Array(n), weight = new Float32Array(n);
  for (let p = 0; p < n; p++) {
    const inside = (from + ((p + 0.5) / n) * share - begin) / (end - begin);
    if (inside < -0.5 / cells || inside >= 1 + 0.5 / cells) { first[p] = -1; continue; }
    const place = inside * cells - 0.5;
    const i = smooth ? Math.floor(place) : Math.round(place);
    first[p] = Math.min(cells - 1, Math.max(0, i));
    second[p] = smooth ? Math.min(cells - 1, Math.max(0, i + 1)) : first[p];
    weight[p] = smooth ? place - i : 0;
  }
  return {first, second, weight};
}

// Colour the part of the grid that `view` {x, y, share} shows into `out`, W x H packed pixels.
// `scale` {zero, end}: the value at the table's middle and its distance to the end.
function paint(out, W, H, grid, {view, extent, smooth, scale, tables, stripe}) {
  const [left, top, right, bottom] = extent;
  const across = samples(W, view.x, view.share, [left, right], grid.w, smooth);
  const down = samples(H, view.y, view.share, [top, bottom], grid.h, smooth);
  const {plain, hatched} = tables;
  if (!(scale.end > 0)) { out.fill(0); return; }
  const factor = 255.5 / scale.end;
  const line = new Float32Array(grid.w);
  for (let y = 0; y < H; y++) {
    const row = y * W;
    if (down.first[y] < 0) { out.fill(0, row, row + W); continue; }
    const a = down.first[y] * grid.w, b = down.second[y] * grid.w, share = down.weight[y];
    for (let i = 0; i < grid.w; i++) {
      const value = grid.data[a + i] + share * (grid.data[b + i] - grid.data[a + i]);
      line[i] = (value - scale.zero) * factor + 256;
    }
    for (let x = 0; x < W; x++) {
      const i = across.first[x];
      if (i < 0) { out[row + x] = 0; continue; }
      const k = line[i] + across.weight[x] * (line[across.second[x]] - line[i]);
      const index = k < 0 ? 0 : k > 511 ? 511 : k | 0;
      out[row + x] = (x + y) % stripe < stripe * 0.3 ? hatched[index] : plain[index];
    }
  }
}
