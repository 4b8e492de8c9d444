// The photo with fixations, and the trial: a cross, the photo for some seconds, a veil, clicks.

const CROSS = 800;  // ms that the cross stands before the photo, so that every gaze starts in the middle
const USUAL = 3;

const SAID = {
  idle: "",
  cross: "Look at the cross.",
  look: "",
  click: "Click where your eyes went, in their order.",
};

class Board {
  constructor(root, style) {
    Object.assign(this, {phase: "idle", places: [], dots: null, photo: {digest: ""}, cursor: null, sent: null});
    this.picture = make("canvas", {class: "picture"});
    this.marks = make("canvas", {class: "marks", "aria-hidden": "true"});
    this.cross = make("div", {class: "cross", "aria-hidden": "true"}, "+");
    this.stage = make("div", {class: "stage", role: "group", tabindex: "0",
      onclick: (event) => this.clicked(event), onkeydown: (event) => this.typed(event)}, this.picture, this.marks, this.cross);
    this.begin = make("button", {class: "begin", type: "button", onclick: () => this.start()},
      make("strong", {}, "Where do your eyes go?"), make("span", {}));
    this.stage.append(this.begin);
    this.name = make("input", {type: "text", maxlength: "40", autocomplete: "off", spellcheck: "false"});
    this.time = make("select", {"aria-label": "Seconds that the photo is shown", onchange: () => this.show()});
    this.hide = make("input", {type: "checkbox", onchange: () => this.draw()});
    this.settings = make("div", {class: "line"},
      make("label", {}, "Who looks ", this.name), make("label", {}, "for ", this.time));
    this.hiding = make("label", {class: "line"}, this.hide, "Hide the dots");
    this.done = make("button", {class: "first", type: "button", onclick: () => this.finish()});
    this.back = make("button", {type: "button", onclick: () => this.undo()}, "Undo");
    this.stop = make("button", {type: "button", onclick: () => this.end()}, "Cancel");
    this.choices = make("div", {class: "line choices"}, this.done, this.back, this.stop);
    this.spoken = make("p", {class: "said", "aria-live": "polite"});
    // During the trial stage and choices stand in a dialog that covers the page: the maps must not lead the eyes.
    this.dialog = make("dialog", {"aria-label": "Where do your eyes go?",
      oncancel: (event) => { event.preventDefault(); this.end(); }});
    this.trial = make("div", {class: "trial"}, this.stage, this.spoken, this.choices);
    this.section = make("section", {"aria-label": "The photo and where people looked"},
      this.trial, this.settings, this.hiding, this.dialog);
    settleIn(root, style, this.section);
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.stage);
  }

  async receive(component, turn) {
    this.send = (event) => component.setTriggerValue("event", event);
    const {header, rest} = unpack(component.data);
    if (header.photo.digest !== this.photo.digest) {
      const {header: kind, bytes} = await parcel(header.photo.digest);
      const bitmap = await createImageBitmap(new Blob([bytes], {type: kind.type}));
      if (turn !== this.turn) return;
      this.photo = {bitmap};
      this.end();
    }
    Object.assign(this.photo, header.photo);
    Object.assign(this, {told: header, dots: numbersAt(header.dots, rest), sent: null});
    if (this.suggested !== header.person) {
      this.suggested = header.person;
      this.name.value = header.person;
    }
    if (!this.time.childElementCount) {
      this.time.append(...header.seconds.map((n) => make("option", {value: n, selected: n === USUAL}, `${n} s`)));
    }
    this.section.style.setProperty("--aspect", header.photo.w / header.photo.h);
    if (!header.ask) this.end();
    this.show();
  }

  close() { if (this.phase !== "idle") this.end(); }

  get seconds() { return Number(this.time.value) || USUAL; }

  enter(phase) {
    this.phase = phase;
    this.show();
  }

  start() {
    this.places = [];
    this.dialog.append(this.trial);
    this.dialog.showModal();
    this.enter("cross");
    this.stage.focus({preventScroll: true});
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.enter("look");
      this.timer = setTimeout(() => this.enter("click"), 1000 * this.seconds);
    }, CROSS);
  }

  end() {
    clearTimeout(this.timer);
    this.places = [];
    this.cursor = null;
    if (this.dialog.open) {
      this.dialog.close();
      this.section.prepend(this.trial);
    }
    this.enter("idle");
  }

  finish() {
    if (!this.places.length) return;
    this.send({person: this.name.value.trim(), places: this.places, seconds: this.seconds});
    this.sent = this.places;  // shown until Python answers
    this.end();
  }

  add(u, v) {
    if (this.places.length < this.told.most) this.places.push([u, v]);
    this.show();
  }

  undo() {
    this.places.pop();
    this.show();
  }

  clicked(event) {
    if (this.phase !== "click") return;
    const box = this.stage.getBoundingClientRect();
    const [u, v] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    if (u >= 0 && u <= 1 && v >= 0 && v <= 1) this.add(u, v);
  }

  // Arrow keys move a cursor (with shift in larger steps), blank or Enter puts a mark.
  typed(event) {
    if (this.phase !== "click" || event.target !== this.stage) return;
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (step) {
      const far = event.shiftKey ? 0.1 : 0.02;
      const [u, v] = this.cursor ?? [0.5, 0.5];
      const within = (x) => Math.min(1, Math.max(0, x));
      this.cursor = [within(u + far * step[0]), within(v + far * step[1])];
      this.draw();
    } else if (event.key === " " || event.key === "Enter") this.add(...(this.cursor ?? [0.5, 0.5]));
    else if (event.key === "Backspace") this.undo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  show() {
    if (!this.told) return;
    const {phase, places, told} = this;
    this.stage.dataset.phase = phase;
    const count = this.dots?.w ?? 0;
    const idle = phase === "idle";
    this.begin.hidden = !idle || !told.ask;
    this.begin.classList.toggle("small", count > 0);
    say(this.begin.firstChild, count ? "Look again, or the next person" : "Where do your eyes go?");
    say(this.begin.lastChild, count ? "" : `Look at the photo for ${this.seconds} s, then click where you looked.`);
    this.cross.hidden = phase !== "cross";
    this.choices.hidden = phase !== "click";
    this.settings.hidden = !idle || !told.ask;
    this.hiding.hidden = !idle || !count;
    this.done.disabled = this.back.disabled = !places.length;
    say(this.done, places.length === 1 ? "Done: 1 click" : `Done: ${places.length} clicks`);
    say(this.spoken, SAID[phase]);
    this.stage.setAttribute("aria-label", idle ? `The photo ${this.photo.name} with ${count} fixations`
      : phase === "click" ? `The veiled photo, ${places.length} clicks. Arrow keys move, blank marks, backspace takes back.`
      : SAID[phase] || "The photo");
    this.draw();
  }

  draw() {
    const {clientWidth, clientHeight} = this.stage;
    if (!clientWidth || !this.photo.bitmap) return;
    const ratio = globalThis.devicePixelRatio || 1;
    for (const canvas of [this.picture, this.marks]) {
      const [w, h] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
      if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, {width: w, height: h});
    }
    const context = this.picture.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(this.photo.bitmap, 0, 0, this.picture.width, this.picture.height);
    const pen = this.marks.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, clientWidth, clientHeight);
    const at = ([u, v]) => [u * clientWidth, v * clientHeight];
    if (this.phase === "click") {
      this.places.forEach((place, i) => disc(pen, at(place), 10, String(i + 1)));
      if (this.cursor) ring(pen, at(this.cursor));
    } else if (this.phase === "idle" && !this.hide.checked) {
      for (const place of this.shown()) disc(pen, at(place), 4.5);
    }
  }

  shown() {
    const {dots, sent} = this;
    const known = dots ? Array.from({length: dots.w}, (_, i) => [dots.data[i], dots.data[dots.w + i]]) : [];
    return sent ? [...known, ...sent] : known;
  }
}

// White with a dark rim: seen on any photo.
function disc(pen, [x, y], radius, text = "") {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = text ? "#fff" : "#ffffffd0";
  pen.fill();
  pen.lineWidth = 2;
  pen.strokeStyle = "#0d1f26";
  pen.stroke();
  if (!text) return;
  Object.assign(pen, {fillStyle: "#0d1f26", font: "600 11px system-ui, sans-serif", textAlign: "center", textBaseline: "middle"});
  pen.fillText(text, x, y + 0.5);
}

function ring(pen, [x, y]) {
  for (const [width, colour] of [[4, "#0d1f26"], [2, "#fff"]]) {
    pen.beginPath();
    pen.arc(x, y, 9, 0, 2 * Math.PI);
    pen.moveTo(x - 14, y);
    pen.lineTo(x + 14, y);
    pen.moveTo(x, y - 14);
    pen.lineTo(x, y + 14);
    Object.assign(pen, {lineWidth: width, strokeStyle: colour});
    pen.stroke();
  }
}

const start = (style) => oneForEachRoot(Board, style);
