// Colour scales that grow evenly to the eye. Each is a few points in OKLCH (lightness, chroma, hue in degrees),
// joined by straight lines in OKLab with lightness in even steps. Every pair differs in lightness or along the
// blue-yellow axis, so that all stay readable with the common forms of colour blindness.

const SCALES = {
  ember: {
    title: "Ember, blue–red",
    sequential: [[0.16, 0.05, 290], [0.36, 0.15, 305], [0.54, 0.2, 5], [0.72, 0.18, 50], [0.95, 0.13, 100]],
    negative: [[0.42, 0.17, 262], [0.66, 0.13, 245], [0.96, 0.01, 230]],
    positive: [[0.96, 0.01, 70], [0.7, 0.15, 48], [0.47, 0.18, 27]],
  },
  lagoon: {
    title: "Lagoon, green–purple",
    sequential: [[0.24, 0.11, 300], [0.41, 0.11, 262], [0.57, 0.1, 215], [0.74, 0.14, 160], [0.93, 0.17, 108]],
    negative: [[0.4, 0.16, 308], [0.66, 0.12, 308], [0.96, 0.01, 308]],
    positive: [[0.96, 0.01, 150], [0.72, 0.14, 150], [0.45, 0.12, 150]],
  },
  dusk: {
    title: "Dusk, blue–gold",
    sequential: [[0.24, 0.08, 260], [0.42, 0.05, 262], [0.58, 0.02, 100], [0.76, 0.09, 92], [0.94, 0.15, 100]],
    negative: [[0.38, 0.12, 255], [0.64, 0.11, 245], [0.96, 0.01, 230]],
    positive: [[0.96, 0.01, 95], [0.8, 0.15, 88], [0.55, 0.12, 75]],
  },
};

// OKLab (L, a, b) to sRGB, each 0 to 255. Ottosson 2020, "A perceptual color space for image processing".
function srgb([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((x) => 255 * Math.min(1, Math.max(0, x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055)));
}

// The colour at t (0 to 1) of a list of OKLCH points.
function colourAt(points, t) {
  const place = Math.min(1, Math.max(0, t)) * (points.length - 1);
  const i = Math.min(points.length - 2, Math.floor(place));
  const [from, to] = [points[i], points[i + 1]].map(([L, C, h]) => {
    const angle = (h * Math.PI) / 180;
    return [L, C * Math.cos(angle), C * Math.sin(angle)];
  });
  return srgb(from.map((x, k) => x + (to[k] - x) * (place - i)));
}

const LOOKUP = 512;

// Two tables of 512 RGBA colours for t from -1 to 1 (packed, little endian): one plain, one for the hatching that
// tells negative values apart without colour. `hide` is a share of the scale's end; `fade` lets weak values
// grow transparent, so that the photo shows where there is little to say.
function lookup({colours, signed, hide, fade}) {
  const scale = SCALES[colours] ?? SCALES.ember;
  const plain = new Uint32Array(LOOKUP);
  const hatched = new Uint32Array(LOOKUP);
  for (let k = 0; k < LOOKUP; k++) {
    const t = (2 * k - (LOOKUP - 1)) / (LOOKUP - 1);
    const size = Math.abs(t);
    const rgb = !signed ? colourAt(scale.sequential, t)
      : t < 0 ? colourAt(scale.negative, 1 + t) : colourAt(scale.positive, t);
    const shown = signed ? size : Math.max(0, t);
    const alpha = shown < hide ? 0 : fade ? Math.min(1, shown / 0.4) : 1;
    const word = (colour) => ((Math.round(alpha * 255) << 24) | (colour[2] << 16) | (colour[1] << 8) | colour[0]) >>> 0;
    plain[k] = word(rgb.map(Math.round));
    hatched[k] = word(signed && t < 0 ? rgb.map((x) => Math.round(x + (255 - x) * 0.4)) : rgb.map(Math.round));
  }
  return {plain, hatched};
}
