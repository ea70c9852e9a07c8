// Line drawings, 24 by 24, without a file of their own.

const SVG = "http://www.w3.org/2000/svg";
const CLOUD = "M7 18.5h10a4 4 0 0 0 .6-7.95A5.75 5.75 0 0 0 6.6 9.6 4.5 4.5 0 0 0 7 18.5Z";
const HIGH_CLOUD = "M7 15h10a3.6 3.6 0 0 0 .5-7.15A5.2 5.2 0 0 0 7.6 6.9 4.1 4.1 0 0 0 7 15Z";

const PATHS = {
  sun: "M12 7.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM12 2v2M12 20v2M2 12h2M20 12h2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  partly: `M8 3v1.5M3.2 5.2l1 1M2 10h1.5M12.8 5.2l-1 1M5 8.5a3.5 3.5 0 0 1 5.6-1.6 ${CLOUD}`.replace(" M7", "M7"),
  cloud: CLOUD,
  rain: `${HIGH_CLOUD}M8 18.5l-.8 2M12.4 18.5l-.8 2M16.8 18.5l-.8 2`,
  snow: `${HIGH_CLOUD}M8 19h.01M12 21h.01M16 19h.01M12 18h.01`,
  storm: `${HIGH_CLOUD}M12.5 16.5l-2 3h3l-2 3`,
  fog: "M4 9h16M6 13h12M4 17h16M8 5h8",
  bulb: "M9.5 18h5M10 21h4M12 3a6 6 0 0 0-3.6 10.8c.7.55 1.1 1.3 1.1 2.2h5c0-.9.4-1.65 1.1-2.2A6 6 0 0 0 12 3Z",
  clock: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17ZM12 7.5V12l3 2",
} as const;

export type Icon = keyof typeof PATHS;

export function icon(name: Icon): SVGSVGElement {
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("viewBox", "0 0 24 24");
  drawn.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  drawn.append(path);
  return drawn;
}

/** The drawing for what a service calls the weather. */
export function weatherIcon(condition: string): Icon {
  const said = condition.toLowerCase();
  if (/thunder|storm/.test(said)) return "storm";
  if (/snow|flurr|sleet|ice/.test(said)) return "snow";
  if (/rain|drizzle|shower/.test(said)) return "rain";
  if (/fog|mist|haze|smoke/.test(said)) return "fog";
  if (/partly|mostly clear|mostly sunny|scattered|few/.test(said)) return "partly";
  return /clear|sun/.test(said) ? "sun" : "cloud";
}

/** A line through numbers, as high as wide is given; null where there is nothing to draw. */
export function sparkline(values: readonly number[]): SVGSVGElement | null {
  if (values.length < 2) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = high - low || 1;
  const points = values.map((value, at) => {
    const [x, y] = [(at / (values.length - 1)) * 100, 29 - ((value - low) / span) * 28];
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("viewBox", "0 0 100 30");
  drawn.setAttribute("preserveAspectRatio", "none");
  drawn.setAttribute("aria-hidden", "true");
  drawn.classList.add("sparkline");
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.join(" "));
  line.setAttribute("vector-effect", "non-scaling-stroke");
  drawn.append(line);
  return drawn;
}
