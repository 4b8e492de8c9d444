// The photo of the distortion lab: a rectangle drawn on it says where the distortion acts.

const WHOLE = 1000;  // regions are counted in thousandths of the width and the height
const LEAST = 20;
const STEP = 20;
const HINT = "Drag a rectangle on the photo: only there is it distorted. Arrow keys move it, with Shift they size it.";

const within = (n) => Math.min(WHOLE, Math.max(0, Math.round(n)));

class Region {
  constructor(root, style) {
    this.image = make("img", {alt: "", draggable: "false"});
    this.boxes = make("div");
    this.stage = make("div", {class: "stage", tabindex: "0", role: "img"}, this.image, this.boxes);
    this.hint = make("p", {class: "hint"}, HINT);
    this.whole = make("button", {type: "button", onclick: () => this.commit(null)}, "Whole photo");
    this.original = make("button", {type: "button", "aria-pressed": "false", onclick: () => this.flip()}, "Show the original");
    this.element = make("section", {"aria-label": "Where it is distorted"}, this.stage,
      make("div", {class: "row"}, this.hint, this.whole, this.original));
    this.pictures = new Map();
    settleIn(root, style, this.element);
    this.stage.addEventListener("pointerdown", (event) => this.begin(event));
    this.stage.addEventListener("pointermove", (event) => this.drag(event));
    this.stage.addEventListener("pointerup", () => this.end());
    this.stage.addEventListener("pointercancel", () => { this.corner = null; this.show(); });
    this.stage.addEventListener("keydown", (event) => this.key(event));
  }

  async receive(component, turn) {
    this.send = (box) => component.setTriggerValue("event", {box});
    const {header} = unpack(component.data);
    const [shown, original] = await Promise.all([this.picture(header.photo), this.picture(header.original)]);
    if (turn !== this.turn) return;
    const now = header.boxes[header.active] ?? null;
    const other = header.active !== this.told?.active || header.boxes.length !== this.told.boxes.length;
    if (other || JSON.stringify(now) === JSON.stringify(this.waiting)) this.waiting = undefined;
    Object.assign(this, {told: header, shown, before: original});
    this.element.style.setProperty("--aspect", header.aspect);
    this.element.classList.toggle("drawing", this.able);
    this.show();
  }

  close() { clearTimeout(this.timer); }

  // The photo's address in memory; a few stay.
  async picture(digest) {
    if (!this.pictures.has(digest)) {
      const {header, bytes} = await parcel(digest);
      if (!this.pictures.has(digest)) this.pictures.set(digest, URL.createObjectURL(new Blob([bytes], {type: header.type})));
      for (const old of [...this.pictures.keys()].slice(0, -6)) {
        URL.revokeObjectURL(this.pictures.get(old));
        this.pictures.delete(old);
      }
    }
    return this.pictures.get(digest);
  }

  get able() { return this.told.active !== null; }

  // What was drawn counts until Python says the same.
  get box() { return this.waiting !== undefined ? this.waiting : this.told.boxes[this.told.active] ?? null; }

  show() {
    const {boxes, active, name} = this.told;
    const flipped = this.original.getAttribute("aria-pressed") === "true";
    const address = flipped ? this.before : this.shown;
    if (this.image.src !== address) this.image.src = address;
    const drawn = boxes.map((box, i) => [i === active ? this.box : box, i]).filter(([box]) => box && !flipped);
    this.boxes.replaceChildren(...drawn.map(([[left, top, right, bottom], i]) => {
      const share = (n) => `${(100 * n) / WHOLE}%`;
      const element = make("div", {class: i === active ? "box active" : "box"}, ...(boxes.length > 1 ? [make("b", {}, String(i + 1))] : []));
      Object.assign(element.style, {left: share(left), top: share(top), width: share(right - left), height: share(bottom - top)});
      return element;
    }));
    this.hint.hidden = !this.able;
    this.whole.hidden = !this.able || !this.box;
    this.original.hidden = this.told.photo === this.told.original;
    const [left, top, right, bottom] = (this.box ?? []).map((n) => `${Math.round((100 * n) / WHOLE)}%`);
    const where = this.box ? `distorted from ${left} to ${right} of the width and ${top} to ${bottom} of the height` : this.able ? "distorted as a whole" : "not distorted";
    this.stage.setAttribute("aria-label", `${name}, ${where}. ${this.able ? HINT : ""}`);
  }

  flip() {
    this.original.setAttribute("aria-pressed", String(this.original.getAttribute("aria-pressed") !== "true"));
    this.show();
  }

  place(event) {
    const {left, top, width, height} = this.stage.getBoundingClientRect();
    return [within((WHOLE * (event.clientX - left)) / width), within((WHOLE * (event.clientY - top)) / height)];
  }

  begin(event) {
    if (!this.able || event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    this.corner = this.place(event);
    this.drawn = null;
  }

  drag(event) {
    if (!this.corner) return;
    const [x, y] = this.place(event);
    const [a, b] = this.corner;
    this.drawn = [Math.min(a, x), Math.min(b, y), Math.max(a, x), Math.max(b, y)];
    this.preview(this.drawn);
  }

  // A click without a rectangle changes nothing.
  end() {
    const {drawn, corner} = this;
    this.corner = null;
    if (!corner) return;
    const large = drawn && drawn[2] - drawn[0] >= LEAST && drawn[3] - drawn[1] >= LEAST;
    if (large) this.commit(drawn);
    else { this.waiting = undefined; this.show(); }
  }

  preview(box) {
    this.waiting = box;
    this.show();
  }

  commit(box) {
    clearTimeout(this.timer);
    this.preview(box);
    this.send(box);
  }

  key(event) {
    const by = {ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP]}[event.key];
    if (!this.able || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && this.box) this.commit(null);
    else if (by) this.nudge(by, event.shiftKey);
    else return;
    event.preventDefault();
  }

  nudge([x, y], sizes) {
    const [left, top, right, bottom] = this.box ?? [300, 300, 700, 700];
    const across = Math.min(WHOLE - right, Math.max(sizes ? left + LEAST - right : -left, x));
    const down = Math.min(WHOLE - bottom, Math.max(sizes ? top + LEAST - bottom : -top, y));
    const box = sizes ? [left, top, right + across, bottom + down] : [left + across, top + down, right + across, bottom + down];
    this.preview(box);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(box), 400);  // when the keys rest
  }
}

const start = (style) => oneForEachRoot(Region, style);
