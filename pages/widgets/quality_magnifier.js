// The patch under the crosshair, enlarged, beside its reference: a card over the page, only while something is pointed at.

const SIDE = 192;  // of a canvas, in CSS pixels
const AROUND = 1.5;  // sides of a patch that are shown: some of its neighbourhood too
const LEAST = 24;  // pixels of the picture that was sent that are shown at least
const KEPT_BITMAPS = 6;

const magnifier = (shelf.magnifier ??= {on: true, bitmaps: new Map()});

// The decoded picture of that digest, with its pixels as they were sent.
async function closeUp(digest) {
  const {bitmaps} = magnifier;
  if (!bitmaps.has(digest)) {
    const {header, bytes} = await parcel(digest);
    bitmaps.set(digest, await createImageBitmap(new Blob([bytes], {type: header.type}), {colorSpaceConversion: "none"}));
    for (const old of [...bitmaps.keys()].slice(0, -KEPT_BITMAPS)) bitmaps.delete(old);
  }
  return bitmaps.get(digest);
}

class Magnifier {
  constructor(root, style) {
    this.box = make("input", {type: "checkbox", onchange: () => { magnifier.on = this.box.checked; this.want(); }});
    this.box.checked = magnifier.on;
    this.canvases = [0, 1].map(() => make("canvas", {role: "img"}));
    this.words = this.canvases.map(() => make("figcaption"));
    this.figures = this.canvases.map((canvas, i) => make("figure", {}, this.words[i], canvas));
    this.score = make("b");
    this.where = make("span");
    this.size = make("span");
    this.card = make("div", {class: "card", popover: "manual"}, make("div", {class: "pictures"}, ...this.figures),
      make("p", {class: "said"}, this.score, " ", this.where, make("br"), this.size));
    settleIn(root, style, make("section", {"aria-label": "Magnifier"}, make("div", {class: "row"},
      make("label", {}, this.box, "Enlarge the patch under the cursor"),
      make("p", {class: "hint"}, "Point at a map, or focus one and press Shift and an arrow key.")), this.card));
    this.pointed = (event) => { this.at = event.detail; this.want(); };
    this.at = null;
    this.frame = 0;
  }

  async receive(component, turn) {
    globalThis.addEventListener(POINTED, this.pointed);
    const {header, rest} = unpack(component.data);
    const bitmaps = await Promise.all(header.pictures.map(({digest}) => closeUp(digest)));
    if (turn !== this.turn) return;
    Object.assign(this, {told: header, bitmaps, scores: numbersAt(header.scores, rest)});
    this.figures.forEach((figure, i) => { figure.hidden = i >= bitmaps.length; });
    header.pictures.forEach(({words}, i) => say(this.words[i], words));
    this.want();
  }

  close() {
    globalThis.removeEventListener(POINTED, this.pointed);
    this.at = null;
    this.show();
  }

  want() {
    this.frame ||= requestAnimationFrame(() => this.show());
  }

  show() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const {at, told, card} = this;
    const open = Boolean(magnifier.on && at?.place && told?.under === at.photo);
    if (card.matches(":popover-open") !== open) card.togglePopover(open);
    if (!open) return;
    const patch = this.patchAt(at.place);
    this.bitmaps.forEach((bitmap, i) => this.draw(this.canvases[i], bitmap, patch));
    this.describe(patch);
    this.stand(at.stage);
  }

  // The patch whose middle is nearest to a place of the photo; x and y are its upper left corner in pixels.
  patchAt({x, y}) {
    const {size: [width, height], patch, stride} = this.told;
    const {h, w, data} = this.scores;
    const nearest = (place, count) => Math.min(count - 1, Math.max(0, Math.round((place - patch / 2) / stride)));
    const column = nearest(x * width, w), row = nearest(y * height, h);
    return {x: column * stride, y: row * stride, score: data[row * w + column]};
  }

  draw(canvas, bitmap, {x, y}) {
    const {size: [width], patch} = this.told;
    const share = bitmap.width / width;  // pixels of the picture for one that was judged
    const view = Math.max(AROUND * patch, LEAST / share);
    const side = Math.round(SIDE * Math.max(1, Math.round(globalThis.devicePixelRatio || 1)));
    Object.assign(canvas, {width: side, height: side});
    const context = canvas.getContext("2d");
    const zoom = side / view, edge = (view - patch) / 2;
    context.imageSmoothingEnabled = false;
    context.setTransform(zoom / share, 0, 0, zoom / share, (edge - x) * zoom, (edge - y) * zoom);
    context.drawImage(bitmap, 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
    const [from, long] = [edge * zoom, patch * zoom];
    for (const [colour, thick] of [["#000c", 3], ["#fff", 1]]) {
      Object.assign(context, {strokeStyle: colour, lineWidth: thick});
      context.strokeRect(from - 1.5, from - 1.5, long + 3, long + 3);
    }
    this.zoom = zoom * (SIDE / side);
  }

  describe({x, y, score}) {
    const {size: [width, height], patch} = this.told;
    const [{width: w, height: h}] = this.bitmaps;
    say(this.score, `Patch score ${score.toFixed(2)}`);
    say(this.where, `x ${x} to ${Math.min(width, x + patch) - 1}, y ${y} to ${Math.min(height, y + patch) - 1}`);
    say(this.size, w === width ? `Pixel by pixel, ${number(this.zoom)} times enlarged`
      : `Shown at ${w} × ${h} of the ${width} × ${height} pixels that were judged`);
    this.canvases.forEach((canvas, i) => canvas.setAttribute("aria-label",
      `${this.words[i].textContent}: the patch from ${x}, ${y}, enlarged`));
  }

  // In the corner of the window that lies away from the map that is pointed at.
  stand(stage) {
    const {left, right, top, bottom} = stage.getBoundingClientRect();
    const {classList} = this.card;
    const beyond = left + right > globalThis.innerWidth, below = top + bottom > globalThis.innerHeight;
    classList.toggle("left", beyond);
    classList.toggle("right", !beyond);
    classList.toggle("top", below);
    classList.toggle("bottom", !below);
  }
}

const start = (style) => oneForEachRoot(Magnifier, style);
