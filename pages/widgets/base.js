// What every widget's script begins with.

// The bytes of a message: uint32 length of the header, JSON header (padded to four bytes), the rest.
// Returns the header and the rest as a copy of its own, so that typed arrays on it are aligned.
function unpack(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  return {header, rest: data.slice(4 + length)};
}

// A map of the header as {h, w, data: Float32Array}, or null.
function numbersAt(place, rest) {
  if (!place) return null;
  return {h: place.h, w: place.w, data: new Float32Array(rest.buffer, place.at * 4, place.h * place.w)};
}

// The parcel of that digest: at once where it is filed, else a promise.
function parcel(digest) {
  const filed = shelf.parcels.get(digest);
  if (filed) return filed;
  return new Promise((resolve) => {
    const arrived = (event) => {
      if (event.detail !== digest) return;
      globalThis.removeEventListener("expectancy-parcel", arrived);
      resolve(shelf.parcels.get(digest));
    };
    globalThis.addEventListener("expectancy-parcel", arrived);
  });
}

// make("p", {class: "note", "aria-live": "polite"}, "text", child, ...): text is always text, never markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

// Write a text only where it differs: screen readers and the layout are left alone otherwise.
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Put a widget's one element under the component's shadow root, with its style. An older script's element goes.
function settleIn(root, style, element) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  root.adoptedStyleSheets = [sheet];
  root.querySelector(":scope > [data-widget]")?.remove();
  element.dataset.widget = "";
  root.append(element);
}

// Streamlit calls with every message and has no memory of its own: give each shadow root one `Kind`, whose
// receive(component) is called every time, and whose close() is called when the last of these calls is over.
function oneForEachRoot(Kind, style) {
  const widgets = new WeakMap();
  return (component) => {
    const root = component.parentElement;
    if (!widgets.has(root)) widgets.set(root, new Kind(root, style));
    const widget = widgets.get(root);
    const turn = (widget.turn = {});
    widget.receive(component, turn);
    return () => { if (turn === widget.turn) widget.close(); };
  };
}

// Three significant digits, with a true minus; powers of ten only where they must be.
function number(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const text = size === 0 ? "0"
    : size >= 1e5 || size < 1e-4 ? value.toExponential(1)
    : String(Number(value.toPrecision(3)));  // "0.00064": JavaScript itself changes to powers below 1e-6
  return text.replace("-", "\u2212").replace(/e\+?(.+)/, "e$1").replace("e-", "e\u2212");
}

// Small pictures on buttons: paths in a square of 16, drawn as lines in the text's colour.
const ICONS = {
  save: "M8 1.5v8.2m0 0L4.8 6.5M8 9.7l3.2-3.2M2.5 11.5v2.2h11v-2.2",
  close: "M3.5 3.5l9 9m0-9l-9 9",
  share: "M8 10V1.8m0 0L5 4.8m3-3l3 3M3 7.5v6.7h10V7.5",
  history: "M2 8a6 6 0 1 0 2-4.5M2 2v2.8h2.8M8 4.5V8l2.4 1.6",
  present: "M1.5 2.5h13v8h-13zM8 10.5v3.2M5 14h6",
  help: "M5.6 6a2.4 2.4 0 1 1 3.5 2.1c-.8.4-1.1.8-1.1 1.7M8 12v.3M8 1.5a6.5 6.5 0 1 0 .01 0z",
  pin: "M9.5 1.8l4.7 4.7-2.3.6-2.6 2.6-.5 3-5.5-5.5 3-.5 2.6-2.6zM5.6 10.4L2 14",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
