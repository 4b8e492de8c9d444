// What stands around the maps: the slider for Q, the shared controls, and saving a panel as a picture.

// Q of a quality panel: a slider with marks, and the score s beside it.
class Contrast {
  constructor(panel) {
    this.panel = panel;
    this.slider = make("input", {type: "range", min: "0", max: "1", step: "0.01", "aria-label": "Q, the score it is contrasted with",
      oninput: () => this.set(Number(this.slider.value))});
    this.score = make("i", {class: "score", "aria-hidden": "true"});
    this.track = make("div", {class: "track"}, this.slider, this.score);
    this.marks = make("div", {class: "marks", role: "group", "aria-label": "Marked values of Q"});
    this.value = make("output", {class: "value"});
    this.element = make("div", {class: "contrast"}, make("span", {class: "name"}, "Q"), this.track, this.value, this.marks);
  }

  receive() {
    const {slope, told, marks} = this.panel;
    this.element.hidden = !slope;
    if (!slope) return;
    if (this.marks.childElementCount !== marks.length) {
      const mark = (q) => make("button", {type: "button", style: `--at:${q}`, onclick: () => this.set(q)}, number(q));
      this.marks.replaceChildren(...[...marks].sort((a, b) => a - b).map(mark));
    }
    this.score.hidden = told.score === null;
    if (told.score !== null) this.score.style.setProperty("--at", told.score);
    this.show();
  }

  set(q) {
    look({q: {...views.now.q, [this.panel.told.id]: q}});
  }

  show() {
    const {q, told} = this.panel;
    this.slider.value = q;
    const score = told.score === null ? "" : `, score ${number(told.score)}`;
    this.slider.setAttribute("aria-valuetext", `${number(q)}${score}`);
    say(this.value, told.score === null ? number(q) : `${number(q)}   s = ${number(told.score)}`);
    for (const mark of this.marks.children) mark.setAttribute("aria-pressed", Number(mark.style.getPropertyValue("--at")) === q);
  }
}

const TITLES = {auto: "Per method", signed: "Both signs", positive: "Positive only"};

// The controls under the panels. They only ever write the view, and show what the view says.
class Tools {
  constructor(zoom) {
    const range = (name, label, max) => {
      const input = make("input", {type: "range", min: "0", max, step: "1", oninput: () => look({[name]: Number(input.value)})});
      const value = make("output");
      const show = () => { input.value = views.now[name]; say(value, `${views.now[name]}%`); };
      return {show, element: make("label", {class: "range"}, make("span", {}, label), input, value)};
    };
    const choice = (name, label, titles) => {
      const input = make("select", {onchange: () => look({[name]: input.value})});
      input.append(...VIEW_CHOICES[name].map((id) => make("option", {value: id}, titles(id))));
      const show = () => { input.value = views.now[name]; };
      return {show, element: make("label", {class: "choice"}, make("span", {}, label), input)};
    };
    const check = (name, label, on) => {
      const off = VIEW_CHOICES[name].find((each) => each !== on);
      const input = make("input", {type: "checkbox", onchange: () => look({[name]: input.checked ? on : off})});
      const show = () => { input.checked = views.now[name] === on; };
      return {show, element: make("label", {class: "check"}, input, label)};
    };
    const button = (text, label, act) => make("button", {type: "button", title: label, "aria-label": label, onclick: act}, text);
    const lasting = [
      range("opacity", "Opacity", "100"), range("hide", "Hide below", "95"),
      choice("colours", "Colours", (id) => SCALES[id].title), choice("values", "Values", (id) => TITLES[id]),
    ];
    const checks = [
      check("scale", "Shared scale", "shared"), check("fade", "Fade weak values", "on"),
      check("look", "Show cells", "cells"), check("photo", "Grey photo", "grey"),
    ];
    this.controls = [...lasting, ...checks];
    this.factor = make("output", {class: "factor"});
    this.out = button("\u2212", "Zoom out", () => zoom(1 / 1.5));
    this.in = button("+", "Zoom in", () => zoom(1.5));
    this.in.title = "Zoom in (or click a map and turn the wheel)";
    this.whole = button("Whole", "Show the whole photo", () => look({zoom: null}));
    this.reset = button("Reset", "Back to the default view", () => look({...VIEW_DEFAULTS, zoom: null, q: {}}));
    this.element = make("div", {class: "tools", role: "group", "aria-label": "How the maps are shown"},
      ...lasting.map(({element}) => element),
      make("div", {class: "checks"}, ...checks.map(({element}) => element)),
      make("div", {class: "zoom", role: "group", "aria-label": "Zoom"}, this.out, this.factor, this.in, this.whole), this.reset);
  }

  show(share) {
    for (const control of this.controls) control.show();
    say(this.factor, `${(1 / share).toFixed(1)} \u00d7`);
    this.out.disabled = this.whole.disabled = share >= 1;
    this.in.disabled = share <= 1 / ZOOM_MOST + 1e-6;
    this.reset.disabled = viewText(views.now) === "";
  }
}

// Break a text into lines that fit a width.
function lines(context, text, width) {
  const out = [];
  for (const word of text.split(" ")) {
    const longer = out.length ? `${out.at(-1)} ${word}` : word;
    if (out.length && context.measureText(longer).width <= width) out[out.length - 1] = longer;
    else out.push(word);
  }
  return out;
}

// Draw the panel as it stands (question, photo, map, legend, sentence) on white and save it as PNG.
function savePanel(panel) {
  const margin = 32, width = 960;
  const inner = width - 2 * margin;
  const picture = Math.round((inner * panel.photo.height) / panel.photo.width);
  const canvas = make("canvas", {width, height: 10});
  const context = canvas.getContext("2d");
  const font = (size, weight = "") => `${weight} ${size}px ${getComputedStyle(panel.element).fontFamily}`;
  context.font = font(22);
  const sentence = lines(context, [panel.sentence.textContent, ...panel.told.notes].join(" \u00b7 "), inner);
  canvas.height = margin + 84 + picture + (panel.grid ? 96 : 16) + sentence.length * 30 + margin;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, canvas.height);
  context.fillStyle = "#1a1c22";
  context.textBaseline = "top";
  let y = margin;
  const write = (text, size, weight = "", x = margin, align = "left") => {
    Object.assign(context, {font: font(size, weight), textAlign: align});
    context.fillText(text, x, y, inner);
  };
  write(panel.name, 28, "600");
  y += 40;
  write(panel.question.textContent, 24);
  y += 44;
  panel.stillInto(context, margin, y, inner, picture, 16);
  y += picture + 16;
  if (panel.grid) {
    context.drawImage(panel.strip, margin, y, inner, 20);
    y += 26;
    [...panel.ticks.children].forEach((tick, i) => {
      write(tick.textContent, 20, "", margin + (inner * i) / 2, ["left", "center", "right"][i]);
    });
    y += 26;
    write(panel.meaning.children[0].textContent, 20);
    write(panel.meaning.children[1].textContent, 20, "", margin + inner, "right");
    y += 36;
  }
  for (const line of sentence) { write(line, 22); y += 30; }
  canvas.toBlob((blob) => {
    const name = `${panel.host.photo.name} ${panel.name}`.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
    const link = make("a", {href: URL.createObjectURL(blob), download: `${name || "panel"}.png`});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}
