// The score on a dial with the opinion scale in words, and Q beside it as the slider says.

const CENTRE = [240, 186];
const RADIUS = 132;

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// The place of a score (0 at the left, 1 at the right) on a half circle.
function onDial(score, radius) {
  const angle = Math.PI * (1 - score);
  return [CENTRE[0] + radius * Math.cos(angle), CENTRE[1] - radius * Math.sin(angle)].map((n) => n.toFixed(1));
}

function arc(from, to, radius) {
  return `M ${onDial(from, radius).join(" ")} A ${radius} ${radius} 0 0 1 ${onDial(to, radius).join(" ")}`;
}

class Dial {
  constructor(root, style) {
    this.needle = svg("line", {class: "needle", x1: CENTRE[0], y1: CENTRE[1]});
    this.value = svg("text", {class: "value", x: CENTRE[0], y: CENTRE[1] + 62, "text-anchor": "middle"});
    this.said = svg("text", {class: "said", x: CENTRE[0], y: CENTRE[1] + 88, "text-anchor": "middle"});
    this.foilLine = svg("path");
    this.foilName = svg("text", {class: "halo", "text-anchor": "middle", "dominant-baseline": "middle"});
    this.scale = svg("g");
    this.picture = svg("svg", {viewBox: "0 0 480 278", role: "img"}, this.scale,
      svg("g", {class: "foil"}, this.foilLine, this.foilName), this.needle,
      svg("circle", {class: "hub", cx: CENTRE[0], cy: CENTRE[1], r: 8}), this.value, this.said);
    settleIn(root, style, make("figure", {}, this.picture));
  }

  receive(component) {
    this.unwatch ??= watchView((names) => { if (names.includes("q")) this.show(); });
    this.told = unpack(component.data).header;
    this.drawScale();
    this.show();
  }

  close() {
    this.unwatch?.();
    this.unwatch = null;
  }

  drawScale() {
    const {words, word} = this.told;
    const share = 1 / words.length;
    const parts = words.flatMap((each, i) => {
      const middle = (i + 0.5) * share;
      const [x, y] = onDial(middle, RADIUS + 24);
      const anchor = middle < 0.4 ? "end" : middle > 0.6 ? "start" : "middle";
      const tint = Math.round(22 + 64 * (i / (words.length - 1)));
      const colour = `color-mix(in oklab, var(--st-primary-color) ${tint}%, var(--st-secondary-background-color))`;
      return [
        svg("path", {class: "segment", d: arc(i * share + 0.004, (i + 1) * share - 0.004, RADIUS), style: `stroke: ${colour}`}),
        svg("text", {class: each === word ? "word here" : "word", x, y, "text-anchor": anchor}, each),
      ];
    });
    const end = (score, text) => {
      const [x] = onDial(score, RADIUS);
      return svg("text", {class: "end", x, y: CENTRE[1] + 24, "text-anchor": "middle"}, text);
    };
    this.scale.replaceChildren(...parts, end(0, "0"), end(1, "1"));
  }

  show() {
    const {score, word, panel, q: usual} = this.told;
    const q = views.now.q[panel] ?? usual;
    const [x, y] = onDial(score, RADIUS - 26);
    this.needle.setAttribute("x2", x);
    this.needle.setAttribute("y2", y);
    say(this.value, score.toFixed(2));
    say(this.said, word);
    const [from, to] = [onDial(q, RADIUS - 15), onDial(q, RADIUS + 15)];
    this.foilLine.setAttribute("d", `M ${from.join(" ")} L ${to.join(" ")}`);
    const [left, top] = onDial(q, RADIUS - 32);
    this.foilName.setAttribute("x", left);
    this.foilName.setAttribute("y", top);
    say(this.foilName, "Q");
    this.picture.setAttribute("aria-label", `Score ${score.toFixed(2)} of 1, ${word}. Q is ${number(q)}.`);
  }
}

const start = (style) => oneForEachRoot(Dial, style);
