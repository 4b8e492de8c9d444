// One panel: its elements, what it draws and what it says.

const PIXELS = 1_000_000;  // painted at most for all panels together in one frame; beyond that the browser enlarges
const FINE = 20_000;  // cells of a grid from which on single ones do not set the scale

// Colour tables are the same for many panels: those of the last look are kept.
const tablesMade = new Map();
function tablesOf(look) {
  const key = JSON.stringify(look);
  if (!tablesMade.has(key)) {
    if (tablesMade.size > 8) tablesMade.clear();
    tablesMade.set(key, lookup(look));
  }
  return tablesMade.get(key);
}

// The decoded photo of that digest; the last few stay, so that going back to one is immediate.
async function bitmapOf(digest) {
  const bitmaps = (shelf.bitmaps ??= new Map());
  if (!bitmaps.has(digest)) {
    const {header, bytes} = await parcel(digest);
    bitmaps.set(digest, await createImageBitmap(new Blob([bytes], {type: header.type})));
    for (const old of [...bitmaps.keys()].slice(0, -6)) bitmaps.delete(old);
  }
  return bitmaps.get(digest);
}

// "upper left", "middle": the third of the map where a cell lies, for those who do not see it.
function whereabouts({row, column}, {h, w}) {
  const third = (i, n, names) => names[Math.min(2, Math.floor(((i + 0.5) / n) * 3))];
  const words = [third(row, h, ["upper", "", "lower"]), third(column, w, ["left", "", "right"])];
  return words.filter(Boolean).join(" ") || "middle";
}

class Panel {
  // `host`: {send(event), point(panel, event), key(panel, event)} of the row that the panel stands in.
  constructor(host) {
    this.host = host;
    this.title = make("h3", {class: "title"});
    this.select = make("select", {class: "title", "aria-label": "Method of this panel", onchange: () => this.switch()});
    this.save = make("button", {class: "icon", type: "button", onclick: () => savePanel(this)}, icon("save"));
    this.remove = make("button", {class: "icon", type: "button", onclick: () => this.drop()}, icon("close"));
    this.question = make("p", {class: "question"});
    this.photo = make("canvas", {class: "photo", "aria-hidden": "true"});
    this.map = make("canvas", {class: "map", role: "img", tabindex: "0", "aria-describedby": "keys"});
    this.cross = ["vertical", "horizontal", "cell"].map((name) => make("i", {class: `cross ${name}`, "aria-hidden": "true"}));
    this.readout = make("output", {class: "readout", title: "The cell's raw value; rows and columns are counted from 0"});
    this.stage = make("div", {class: "stage"}, this.photo, this.map, ...this.cross, this.readout);
    this.strip = make("canvas", {class: "strip", width: "256", height: "12", "aria-hidden": "true"});
    this.caret = make("i", {class: "caret", "aria-hidden": "true"});
    this.ticks = make("div", {class: "ticks"}, make("span"), make("span"), make("span"));
    this.meaning = make("div", {class: "meaning"}, make("span"), make("span"));
    this.legend = make("div", {class: "legend"},
      make("div", {class: "bar"}, this.strip, this.caret), this.ticks, this.meaning);
    this.contrast = new Contrast(this);
    this.sentence = make("p", {class: "sentence"});
    this.notes = make("ul", {class: "notes", "aria-label": "Notes"});
    this.element = make("article", {class: "panel"},
      make("header", {}, this.title, this.select, this.save, this.remove),
      this.question, this.stage, make("div", {}, this.legend, this.contrast.element, this.sentence, this.notes));
    this.image = null;
    for (const kind of ["pointermove", "pointerdown", "pointerup", "pointercancel", "pointerleave", "wheel", "dblclick"]) {
      this.stage.addEventListener(kind, (event) => host.point(this, event), {passive: false});
    }
    this.map.addEventListener("keydown", (event) => host.key(this, event));
  }

  switch() {
    this.element.setAttribute("aria-busy", "true");
    this.host.send({kind: "method", panel: this.told.id, method: this.select.value});
  }

  drop() {
    this.element.setAttribute("aria-busy", "true");
    this.host.send({kind: "remove", panel: this.told.id});
  }

  // Take what Python said: `told` is the panel's part of the header, `grids` are {values, slope, level}.
  receive(told, grids, methods, marks) {
    Object.assign(this, {told, marks, ...grids});
    this.element.removeAttribute("aria-busy");
    this.common = told.end ?? commonEnd(grids, marks);
    const choosable = methods.length > 0 && told.method !== null;
    this.title.hidden = choosable;
    this.select.hidden = !choosable;
    if (choosable) fillSelect(this.select, methods, told.method, told.title);
    say(this.title, told.title);
    this.name = choosable ? this.select.selectedOptions[0].textContent : told.title;
    this.element.setAttribute("aria-label", this.name);
    for (const [button, text] of [[this.save, "Save as PNG"], [this.remove, "Remove this panel"]]) {
      button.title = text;
      button.setAttribute("aria-label", `${text}: ${this.name}`);
    }
    this.remove.hidden = !told.removable;
    this.legend.hidden = !grids.values;
    this.contrast.receive();
    this.settle();
  }

  get q() { return views.now.q[this.told.id] ?? this.told.q; }

  get signed() {
    if (this.told.range) return false;
    const {values} = views.now;
    const both = this.told.signed || this.grid.low < 0;
    return values === "signed" ? both : values === "auto" && this.told.signed;
  }

  // What follows from the numbers and Q: the grid that is drawn, and every text.
  settle() {
    const {told} = this;
    const withQ = (text) => text.replaceAll("{Q}", number(this.q));
    say(this.question, withQ(told.question));
    say(this.sentence, withQ(told.sentence));
    this.words = told.meaning.map(withQ);
    this.grid = null;
    if (this.values) {
      this.grid = this.slope ? contrasted(this, this.q) : this.values;
      this.extremes = survey(this.grid);
      Object.assign(this.grid, {low: this.extremes.lowest.value, high: this.extremes.highest.value});
    }
    const notes = told.notes.map(withQ);
    const equal = this.slope && told.score !== null && Math.abs(this.q - told.score) < 0.005;
    if (equal) notes.push("Q equals the score");
    if (this.level && !(this.grid.high > 0) && !(this.grid.low < 0)) notes.push(withQ("no evidence against {Q}"));
    if (this.grid && !told.range && !this.signed && !(this.grid.high > 0) && !notes.includes("no positive evidence")) {
      notes.push("no positive evidence");
    }
    const shown = [...this.notes.children].map((item) => item.textContent);
    if (shown.join("\n") !== notes.join("\n")) this.notes.replaceChildren(...notes.map((text) => make("li", {}, text)));
    this.map.setAttribute("aria-label", this.description());
  }

  description() {
    const photo = this.host.photo.name;
    if (!this.grid) return `The photo ${photo}, without a map. ${this.told.sentence}`;
    const {highest, lowest} = this.extremes;
    const end = (word, end) => `${word} ${number(end.value)} at row ${end.row}, column ${end.column} (${whereabouts(end, this.grid)})`;
    return `${this.name} over the photo ${photo}, ${this.grid.h} by ${this.grid.w} cells: ` +
      `${end("highest", highest)}, ${end("lowest", lowest)}.`;
  }

  // The end of this panel's own scale.
  ownEnd() {
    if (!this.grid) return 0;
    const {range} = this.told;
    if (range) return range[1] - range[0];
    if (this.common !== null) return this.common;
    return this.signed ? Math.max(Math.abs(this.grid.low), Math.abs(this.grid.high)) : Math.max(0, this.grid.high);
  }

  // Set the canvas to the stage's size in device pixels; `budget` limits how many are painted.
  resize(budget) {
    const {clientWidth, clientHeight} = this.stage;
    if (!clientWidth) return;
    const ratio = globalThis.devicePixelRatio || 1;
    const fit = (limit) => Math.min(ratio, Math.sqrt(limit / (clientWidth * clientHeight)));
    const set = (canvas, scale) => {
      const [w, h] = [Math.round(clientWidth * scale), Math.round(clientHeight * scale)];
      if (canvas.width === w && canvas.height === h) return false;
      Object.assign(canvas, {width: w, height: h});
      return true;
    };
    if (set(this.photo, ratio)) this.drawPhoto();
    if (set(this.map, fit(budget))) this.image = null;
  }

  drawPhoto() {
    const {width, height} = this.photo;
    if (width) this.photoInto(this.photo.getContext("2d"), 0, 0, width, height);
  }

  // Draw the part of the photo that is in view into a rectangle.
  photoInto(context, left, top, width, height) {
    const {bitmap} = this.host.photo;
    const {x, y, share} = this.host.window();
    context.imageSmoothingQuality = share < 1 ? "low" : "high";  // enlarging needs no more, and zoom stays fluent
    context.drawImage(bitmap, x * bitmap.width, y * bitmap.height, share * bitmap.width, share * bitmap.height,
      left, top, width, height);
  }

  // Everything that paint() needs besides the pixels, as it stands now.
  style(end) {
    const {hide, colours, fade, look: form} = views.now;
    const {range, extent} = this.told;
    const tables = tablesOf({colours, signed: this.signed, hide: hide / 100, fade: fade === "on" && !range});
    return {view: this.host.window(), extent, smooth: form === "smooth", tables, scale: {zero: range ? range[0] : 0, end}};
  }

  drawMap(end) {
    const {width, height} = this.map;
    const context = this.map.getContext("2d");
    if (!this.grid) { context.clearRect(0, 0, width, height); return; }
    this.image ??= context.createImageData(width, height);
    this.end = end;
    this.paintInto(context, this.image, (8 * width) / (this.stage.clientWidth || width));
    this.drawLegend(this.style(end), end);
  }

  // Paint what is in view into an image of any size, with hatching of that period.
  paintInto(context, image, stripe) {
    const {width, height, data} = image;
    paint(new Uint32Array(data.buffer), width, height, this.grid, {...this.style(this.end), stripe});
    context.putImageData(image, 0, 0);
  }

  // Draw photo and map, as they are looked at, into a rectangle of another canvas.
  stillInto(context, left, top, width, height, stripe) {
    context.filter = views.now.photo === "grey" ? "grayscale(1)" : "none";
    this.photoInto(context, left, top, width, height);
    context.filter = "none";
    if (!this.grid) return;
    const overlay = make("canvas", {width, height});
    const brush = overlay.getContext("2d");
    this.paintInto(brush, brush.createImageData(width, height), stripe);
    context.globalAlpha = views.now.opacity / 100;
    context.drawImage(overlay, left, top);
    context.globalAlpha = 1;
  }

  drawLegend(style, end) {
    const {signed} = this;
    const zero = style.scale.zero;
    const [from, to] = [signed ? -end : zero, zero + end];
    const look = `${signed},${from},${to},${views.now.colours},${views.now.hide},${views.now.fade},${this.words}`;
    if (look === this.legendLook) return;
    this.legendLook = look;
    const n = 256;
    const ramp = Float32Array.from({length: n}, (_, i) => from + ((to - from) * i) / (n - 1));
    const context = this.strip.getContext("2d");
    const image = context.createImageData(n, 12);
    const whole = {...style, view: {x: 0, y: 0, share: 1}, extent: [0, 0, 1, 1], smooth: true, stripe: 6};
    paint(new Uint32Array(image.data.buffer), n, 12, {h: 1, w: n, data: ramp}, whole);
    context.putImageData(image, 0, 0);
    const ticks = [from, (from + to) / 2, to].map(number);
    if (this.common !== null && !this.told.range) {  // a percentile: a few values lie beyond
      if (signed) ticks[0] = `\u2264 ${ticks[0]}`;
      ticks[2] = `\u2265 ${ticks[2]}`;
    }
    [...this.ticks.children].forEach((tick, i) => say(tick, ticks[i]));
    const [positive, negative] = this.words;
    say(this.meaning.children[0], signed && negative ? `\u2212 ${negative}` : "");
    say(this.meaning.children[1], positive ? (signed ? `+ ${positive}` : positive) : "");
    this.ends = [from, to];
  }

  // Show the crosshair at a place of the photo (shares of width and height), or hide it (null).
  point(place) {
    const cell = place && this.grid ? this.cellAt(place) : null;
    const {x, y, share} = this.host.window();
    const [width, height] = [this.stage.clientWidth, this.stage.clientHeight];
    const across = (f) => ((f - x) / share) * width, down = (f) => ((f - y) / share) * height;
    this.stage.classList.toggle("pointed", Boolean(place));
    this.caret.hidden = !cell;
    if (!place) { say(this.readout, ""); return; }
    this.readout.classList.toggle("above", down(place.y) > height / 2);
    const [vertical, horizontal, box] = this.cross;
    vertical.style.transform = `translateX(${across(place.x)}px)`;
    horizontal.style.transform = `translateY(${down(place.y)}px)`;
    box.hidden = !cell;
    if (!cell) { say(this.readout, ""); return; }
    const [left, top, right, bottom] = this.told.extent;
    const [w, h] = [(right - left) / this.grid.w, (bottom - top) / this.grid.h];
    box.style.transform = `translate(${across(left + cell.column * w)}px, ${down(top + cell.row * h)}px)`;
    box.style.width = `${(w / share) * width}px`;
    box.style.height = `${(h / share) * height}px`;
    const [from, to] = this.ends ?? [0, 0];
    const along = to > from ? Math.min(1, Math.max(0, (cell.value - from) / (to - from))) : 0;
    this.caret.style.left = `${along * 100}%`;
    say(this.readout, `${number(cell.value)} at row ${cell.row}, column ${cell.column}`);
  }

  // The cell under a place of the photo, or null outside of the grid.
  cellAt({x, y}) {
    const [left, top, right, bottom] = this.told.extent;
    const {data, h, w} = this.grid;
    const column = held(((x - left) / (right - left)) * w, w);
    const row = held(((y - top) / (bottom - top)) * h, h);
    return column === null || row === null ? null : {row, column, value: data[row * w + column]};
  }
}

// The index of the cell at a place along one axis; the outermost cells reach half a cell further, as when painting.
function held(place, cells) {
  return place < -0.5 || place >= cells + 0.5 ? null : Math.min(cells - 1, Math.max(0, Math.floor(place)));
}

// The end of a scale that a few extreme cells shall not set: that of all marked Q together, and that of fine grids
// (gradients at the input's pixels have single pixels far above all others). Else null: the largest value is the end.
function commonEnd(grids, marks) {
  const {values, slope} = grids;
  if (slope) return percentile(marks.map((q) => contrasted(grids, q)));
  return (values && values.data.length > FINE && percentile([values])) || null;
}

// Fill a select with [value, text] pairs; a value that is not among them is added, so that the truth is shown.
function fillSelect(select, choices, value, text) {
  const all = choices.some(([id]) => id === value) ? choices : [[value, text], ...choices];
  const key = JSON.stringify(all);
  if (select.dataset.choices !== key) {
    select.replaceChildren(...all.map(([id, title]) => make("option", {value: id}, title)));
    select.dataset.choices = key;
  }
  select.value = value;
}
