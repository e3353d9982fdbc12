/**
 * One brand colour as the colours that pages need, in light and dark: links and buttons that can be read whatever colour
 * was chosen (WCAG 2.2, 1.4.3 and 1.4.11). Pure.
 */
type Rgb = readonly [number, number, number];

/** WCAG AA of normal text. */
const READABLE = 4.5;
/** The backgrounds that links stand on, the less favourable of page and card: see bellhop.css. */
const LIGHT: Rgb = [0xfa, 0xf9, 0xf7];
const DARK: Rgb = [0x23, 0x22, 0x20];
const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];
/** Each step mixes 4% in; after 25 of them the colour is black or white, which is readable. */
const STEP = 0.04;

export type Accent = { readonly ink: string; readonly onIt: string };

/** @param hex `#rrggbb`. */
export function accentsOf(hex: string): { light: Accent; dark: Accent } {
  const rgb = parse(hex);
  return { light: accent(rgb, LIGHT, BLACK), dark: accent(rgb, DARK, WHITE) };
}

function accent(rgb: Rgb, background: Rgb, toward: Rgb): Accent {
  let ink = rgb;
  for (let share = STEP; contrast(ink, background) < READABLE && share <= 1; share += STEP)
    ink = mix(rgb, toward, share);
  const onIt = contrast(ink, WHITE) >= contrast(ink, BLACK) ? WHITE : BLACK;
  return { ink: format(ink), onIt: format(onIt) };
}

/** The contrast of two colours, 1 to 21, as WCAG defines it. */
export function contrastOf(a: string, b: string): number {
  return contrast(parse(a), parse(b));
}

function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].toSorted((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((value) => {
    const part = value / 255;
    return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function mix(a: Rgb, b: Rgb, share: number): Rgb {
  const part = Math.min(1, share);
  return a.map((value, i) => Math.round(value * (1 - part) + (b[i] ?? 0) * part)) as unknown as Rgb;
}

function parse(hex: string): Rgb {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;
}

function format(rgb: Rgb): string {
  return `#${rgb.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}
