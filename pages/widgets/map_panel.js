// The row of panels: takes what Python sends, links the panels, and draws at most once a frame.

const ZOOM_MOST = 12;
const KEYS = "Left and right arrow: another foil. Up and down: another layer. Shift and an arrow: move the crosshair. " +
  "Plus, minus, 0: zoom. A click, then the wheel, zooms too; drag to move.";
const PATIENCE = 3000;  // ms that maps which came ahead stay while those of earlier choices still come in
const LOOK_ALL = ["hide", "colours", "values", "scale", "look", "fade", "zoom", "maps"];

class Row {
  constructor(root, style) {
    this.root = root;
    this.panels = new Map();
    this.photo = {digest: "", name: "", bitmap: null};
    this.place = null;  // of the crosshair, as shares of the photo's width and height
    this.frame = 0;
    this.wanted = new Set();
    this.grid = make("div", {class: "grid"});
    this.add = make("select", {"aria-label": "Add a panel", onchange: () => this.append()});
    this.adding = make("div", {class: "adding"}, this.add);
    this.tools = new Tools((factor) => this.zoom(factor));
    this.spoken = make("p", {class: "unseen", "aria-live": "polite"});
    this.element = make("section", {class: "row", "aria-label": "Maps"}, this.grid, this.adding, this.tools.element,
      make("p", {class: "unseen", id: "keys"}, KEYS), this.spoken);
    settleIn(root, style, this.element);
    this.sizes = new ResizeObserver(() => this.want("size"));
    this.presented = (event) => this.present(event);
    this.chosen = ({detail}) => this.showAhead(detail);
  }

  // `turn` tells a later message from an earlier one.
  async receive(component, turn) {
    this.open();
    this.send = (event) => component.setTriggerValue("event", event);
    const {header, rest} = unpack(component.data);
    clearTimeout(this.timer);
    if (this.pending && this.view === header.view && this.pending.foil !== header.foil) {
      const late = () => { this.pending = null; if (turn === this.turn) this.receive(component, turn); };
      this.timer = setTimeout(late, PATIENCE);
      return;
    }
    this.pending = null;
    this.view = header.view;
    if (header.photo.digest !== this.photo.digest) {
      const bitmap = await bitmapOf(header.photo.digest);
      if (turn !== this.turn) return;  // until now the old picture stayed; a newer message draws its own
      this.photo = {bitmap};
      this.place = null;
    }
    Object.assign(this.photo, header.photo);
    this.apply(header, rest);
  }

  // The foil that was just chosen: where its maps came ahead they are shown now, and Python's follow.
  showAhead(foil) {
    const {view, foils, rest} = shelf.ahead ?? {};
    this.pending = this.view && view === this.view && foils[foil] ? {foil} : null;
    if (!this.pending) return;
    for (const told of foils[foil]) this.panels.get(told.id)?.receive(told, gridsOf(told, rest), this.methods, this.marks);
    this.want("map", "point");
    this.draw();  // in the same frame as the texts
  }

  apply({photo, panels, methods, canAdd, marks, columns}, rest) {
    this.element.style.setProperty("--aspect", `${photo.w} / ${photo.h}`);
    Object.assign(this, {methods, marks});
    const kept = new Map();
    const ids = new Set(panels.map(({id}) => id));
    const before = [...this.panels].map(([id, panel]) => (ids.has(id) ? null : panel));
    for (const [at, told] of panels.entries()) {  // where another method took a place, its element and the focus stay
      const panel = this.panels.get(told.id) ?? before[at] ?? new Panel(this);
      kept.set(told.id, panel);
      panel.receive(told, gridsOf(told, rest), methods, marks);
    }
    const order = [...kept.values()].map((panel) => panel.element);
    if (order.length !== this.grid.childElementCount || order.some((element, i) => element !== this.grid.children[i])) {
      const stay = new Set(kept.values());
      for (const panel of this.panels.values()) if (!stay.has(panel)) this.sizes.unobserve(panel.stage);
      this.grid.replaceChildren(...order);
      for (const panel of kept.values()) this.sizes.observe(panel.stage);
    }
    this.panels = kept;
    this.element.dataset.panels = kept.size;
    this.element.toggleAttribute("data-columns", columns !== null);
    this.element.style.setProperty("--columns", columns ?? 1);
    this.adding.hidden = !canAdd;
    fillSelect(this.add, [["", "+ Add a panel"], ...methods], "", "");
    keep();
    this.want("size", "photo", "map", "point");
    this.draw();  // in the same frame as the texts
  }

  open() {
    this.unwatch ??= watchView((names) => this.viewed(names));
    globalThis.addEventListener("expectancy-present", this.presented);
    globalThis.addEventListener("expectancy-chosen", this.chosen);
  }

  close() {
    this.unwatch?.();
    this.unwatch = null;
    globalThis.removeEventListener("expectancy-present", this.presented);
    globalThis.removeEventListener("expectancy-chosen", this.chosen);
    clearTimeout(this.timer);
  }

  // A key of presenter mode, for the first row that there is: the next foil or layer, or the method at that number.
  present(event) {
    if (event.defaultPrevented) return;
    event.preventDefault();
    const {kind, by} = event.detail;
    if (kind !== "method") { this.step(kind, by); return; }
    const panels = [...this.panels.values()];
    const panel = panels.find(({element}) => element.contains(this.root.activeElement)) ?? panels[0];
    const [method] = this.methods[by - 1] ?? [];
    if (!panel || !method || panel.told.method === null || panel.told.method === method) return;
    panel.select.value = method;
    panel.switch();
    say(this.spoken, `Panel ${panels.indexOf(panel) + 1}: ${panel.select.selectedOptions[0].textContent}`);
  }

  viewed(names) {
    if (names.includes("q") || names.includes("values")) {
      for (const panel of this.panels.values()) panel.settle();
      this.want("point");
    }
    if (names.includes("zoom")) this.want("photo", "point");
    if (names.some((name) => LOOK_ALL.includes(name))) this.want("map");
    else this.want(names.includes("q") ? "quality" : "tools");
  }

  want(...what) {
    for (const each of what) this.wanted.add(each);
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const wanted = this.wanted;
    this.wanted = new Set();
    const panels = [...this.panels.values()];
    if (wanted.has("size")) for (const panel of panels) panel.resize(PIXELS / panels.length);
    if (wanted.has("photo")) for (const panel of panels) panel.drawPhoto();
    if (wanted.has("size") || wanted.has("map")) this.drawMaps(panels);
    else if (wanted.has("quality")) this.drawMaps(panels, (panel) => panel.slope);
    if (wanted.has("point") || wanted.has("size")) for (const panel of panels) panel.point(this.place);
    if (wanted.has("point")) tellPoint(this.photo.digest, this.place, this.over?.stage);
    for (const panel of panels) panel.map.style.opacity = views.now.maps === "hidden" ? 0 : views.now.opacity / 100;
    this.element.classList.toggle("grey", views.now.photo === "grey");
    this.element.classList.toggle("zoomed", this.window().share < 1);
    this.tools.show(this.window().share);
  }

  drawMaps(panels, which = () => true) {
    const ends = new Map(panels.map((panel) => [panel, panel.ownEnd()]));
    for (const panel of panels.filter(which)) {
      const {group, range} = panel.told;
      const peers = panels.filter((other) => other.told.group === group && !other.told.range);
      const shared = views.now.scale === "shared" && !range;
      if (panel.map.width) panel.drawMap(shared ? Math.max(...peers.map((peer) => ends.get(peer))) : ends.get(panel));
      if (panel.slope) panel.contrast.show();
    }
  }

  // The part of the photo in view: its upper left corner and its share of the width. Zoom belongs to one photo.
  window() {
    const {zoom} = views.now;
    if (!zoom || !zoom.photo || !this.photo.digest.startsWith(zoom.photo)) return {x: 0, y: 0, share: 1};
    return clamped(zoom.x, zoom.y, 1 / zoom.k);
  }

  // Zoom by a factor so that the place at (u, v) of the stage stays where it is.
  zoom(factor, u = 0.5, v = 0.5) {
    const {x, y, share} = this.window();
    const next = Math.min(1, Math.max(1 / ZOOM_MOST, share / factor));
    this.show(clamped(x + u * (share - next), y + v * (share - next), next));
  }

  show({x, y, share}) {
    look({zoom: share >= 1 ? null : {photo: this.photo.digest.slice(0, 8), k: 1 / share, x, y}});
  }

  point(panel, event) {
    const box = panel.stage.getBoundingClientRect();
    const [u, v] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const {x, y, share} = this.window();
    if (event.type === "wheel") {
      const zooming = event.ctrlKey || event.metaKey || this.root.activeElement === panel.map;
      if (!zooming || (share >= 1 && event.deltaY > 0)) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), u, v);
    } else if (event.type === "dblclick") {
      this.zoom(2, u, v);
    } else if (event.type === "pointerdown") {
      if (share >= 1 || event.button !== 0) return;
      this.drag = {u, v, x, y};
      panel.stage.setPointerCapture(event.pointerId);
    } else if (event.type === "pointermove" && this.drag) {
      const {drag} = this;
      this.show(clamped(drag.x - (u - drag.u) * share, drag.y - (v - drag.v) * share, share));
    } else if (event.type === "pointermove") {
      this.place = {x: x + u * share, y: y + v * share};
      this.over = panel;
      this.want("point");
    } else {
      this.drag = null;
      if (event.type === "pointerup") return;
      this.place = null;
      this.want("point");
    }
  }

  key(panel, event) {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step && event.shiftKey) this.walk(panel, ...step);
    else if (step) this.step(step[0] ? "foil" : "layer", step[0] || step[1]);
    else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "0") look({zoom: null});
    else if (event.key === "Escape") { this.place = null; this.want("point"); }
    else return;
    event.preventDefault();
  }

  // The class bars and the layer strip know what comes next and answer at once; Python does where they are absent.
  step(kind, by) {
    const asked = new CustomEvent(`expectancy-${kind}`, {detail: by, cancelable: true});
    if (globalThis.dispatchEvent(asked)) this.send({kind, step: by});
  }

  // Move the crosshair by one cell of the panel that has the focus; the first time to its highest value.
  walk(panel, across, down) {
    if (!panel.grid) return;
    const [left, top, right, bottom] = panel.told.extent;
    const {h, w} = panel.grid;
    const from = this.place && panel.cellAt(this.place);
    const {row, column} = from ? {row: from.row + down, column: from.column + across} : panel.extremes.highest;
    const inside = (i, n) => (Math.min(n - 1, Math.max(0, i)) + 0.5) / n;
    this.place = {x: left + inside(column, w) * (right - left), y: top + inside(row, h) * (bottom - top)};
    this.over = panel;
    for (const each of this.panels.values()) each.point(this.place);
    tellPoint(this.photo.digest, this.place, panel.stage);
    say(this.spoken, `${panel.name}: ${panel.readout.textContent}`);
  }

  append() {
    if (this.add.value) this.send({kind: "add", method: this.add.value});
    this.add.value = "";
  }
}

function gridsOf(told, rest) {
  return Object.fromEntries(["values", "slope", "level"].map((name) => [name, numbersAt(told[name], rest)]));
}

function clamped(x, y, share) {
  const size = Math.min(1, Math.max(1 / ZOOM_MOST, share));
  const inside = (from) => Math.min(1 - size, Math.max(0, from));
  return {x: inside(x), y: inside(y), share: size};
}

const start = (style) => oneForEachRoot(Row, style);
