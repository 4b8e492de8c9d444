// How maps are looked at: one state for all panels of the browser tab, acting without a round trip.
//
// Where it is kept: in the fragment of the address (#view=...), so that a link carries it and a reload keeps it. The
// query belongs to Streamlit: Python's query_params rewrites it whole and every rerun sends it to the server, while
// the fragment stays in the browser. Streamlit drops the fragment when it pushes a new address (a page change, a
// changed query), so the state also lies in sessionStorage, and `keep` puts it back.

const VIEW_CHOICES = {  // the first is the default
  colours: Object.keys(SCALES),
  values: ["auto", "signed", "positive"],  // "auto": as the method is read
  scale: ["own", "shared"],
  look: ["smooth", "cells"],
  photo: ["colour", "grey"],
  fade: ["on", "off"],
  maps: ["shown", "hidden"],
  present: ["off", "on"],  // presenter mode: see desk.js
};
const VIEW_DEFAULTS = {
  opacity: 75,  // per cent
  hide: 0,  // hide below this per cent of the scale's end
  ...Object.fromEntries(Object.entries(VIEW_CHOICES).map(([name, choices]) => [name, choices[0]])),
};
const VIEW_STORE = "expectancy-view";

// State and text: "opacity:60;look:cells;q.c:0.75;zoom:1f2e3d4c,2.5,0.1,0.2"; only what differs from the defaults.
function viewText(view) {
  const parts = Object.keys(VIEW_DEFAULTS)
    .filter((name) => view[name] !== VIEW_DEFAULTS[name])
    .map((name) => `${name}:${view[name]}`);
  for (const [panel, q] of Object.entries(view.q)) parts.push(`q.${encodeURIComponent(panel)}:${q}`);
  if (view.zoom) {
    const {photo, k, x, y} = view.zoom;
    parts.push(`zoom:${photo},${[k, x, y].map((n) => Number(n.toFixed(4))).join(",")}`);
  }
  return parts.join(";");
}

function viewFrom(text) {
  const view = {...VIEW_DEFAULTS, q: {}, zoom: null};
  for (const part of (text ?? "").split(";")) {
    const cut = part.indexOf(":");
    const name = part.slice(0, cut), value = part.slice(cut + 1);
    if (name.startsWith("q.")) {
      const q = Number(value);
      if (q >= 0 && q <= 1) view.q[decodeURIComponent(name.slice(2))] = q;
    } else if (name === "zoom") {
      const [photo, k, x, y] = value.split(",");
      if ([k, x, y].every((n) => Number.isFinite(Number(n)))) view.zoom = {photo, k: Number(k), x: Number(x), y: Number(y)};
    } else if (name in VIEW_DEFAULTS) {
      const number = Number(value);
      if (VIEW_CHOICES[name]?.includes(value)) view[name] = value;
      else if (!VIEW_CHOICES[name] && number >= 0 && number <= 100) view[name] = number;
    }
  }
  return view;
}

const fragmentParts = (hash) => hash.slice(1).split("&").filter(Boolean);

function viewIn(hash) {
  const part = fragmentParts(hash).find((each) => each.startsWith("view="));
  try { return part === undefined ? null : decodeURI(part.slice(5)); } catch { return ""; }
}

// The address that the document was opened with: Streamlit may have dropped its fragment before this script ran.
function viewOpened() {
  const [opened] = performance.getEntriesByType("navigation");
  return opened ? viewIn(new URL(opened.name, location.href).hash) : null;
}

function viewStored() {
  try { return sessionStorage.getItem(VIEW_STORE); } catch { return null; }
}

function writeAddress(text) {
  const others = fragmentParts(location.hash).filter((each) => !each.startsWith("view="));
  const fragment = [...others, ...(text ? [`view=${encodeURI(text)}`] : [])].join("&");
  if (fragment === location.hash.slice(1)) return;
  history.replaceState(history.state, "", location.pathname + location.search + (fragment ? `#${fragment}` : ""));
}

const views = (shelf.views ??= {
  now: viewFrom(viewIn(location.hash) ?? viewOpened() ?? viewStored()),
  watchers: new Set(),
  timer: 0,
});

// Change the state, tell every widget, and write it down when the hand rests (addresses may not change often).
function look(changes) {
  Object.assign(views.now, changes);
  for (const watcher of views.watchers) watcher(Object.keys(changes));
  clearTimeout(views.timer);
  views.timer = setTimeout(writeView, 200);
}

function writeView() {
  const text = viewText(views.now);
  try { sessionStorage.setItem(VIEW_STORE, text); } catch { /* storage may be forbidden: the address suffices */ }
  writeAddress(text);
}

// Put the fragment back where Streamlit dropped it; another fragment that a person gave is taken over by `follow`.
function keep() {
  if (viewIn(location.hash) === null) writeAddress(viewText(views.now));
}

function follow() {
  const text = viewIn(location.hash);
  if (text !== null && text !== viewText(views.now)) look(viewFrom(text));
}

// Call `watcher` with the names of what changed; returns how to stop.
function watchView(watcher) {
  views.watchers.add(watcher);
  globalThis.addEventListener("hashchange", follow);
  globalThis.addEventListener("pagehide", writeView);
  globalThis.navigation?.addEventListener("currententrychange", keep);
  return () => {
    views.watchers.delete(watcher);
    if (views.watchers.size) return;
    globalThis.removeEventListener("hashchange", follow);
    globalThis.removeEventListener("pagehide", writeView);
    globalThis.navigation?.removeEventListener("currententrychange", keep);
  };
}

// Tells the widgets around a row of panels where its crosshair stands: `place` are shares of the photo's width and
// height, null where nothing is pointed at; `stage` is the element of the map that is pointed at.
const POINTED = "expectancy-point";
function tellPoint(photo, place, stage) {
  globalThis.dispatchEvent(new CustomEvent(POINTED, {detail: {photo, place, stage}}));
}
