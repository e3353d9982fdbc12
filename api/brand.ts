/** Whose pages they are: name, logo and colour, as configured. The logo is read once, at the start. */
import { readFileSync } from 'node:fs';
import { ConfigError } from '../config/config-error.ts';
import type { Config } from '../config/load-config.ts';
import { logoShape } from './logo-shape.ts';
import { accentsOf } from './pages/colors.ts';

export type Brand = {
  readonly name: string;
  /** Null: the name alone. */
  readonly logo: { readonly bytes: Buffer; readonly contentType: string; readonly shape: number } | null;
  /** Rules that stand behind those of the style sheet; empty without a colour. */
  readonly css: string;
};

/** It is sent with each first page, to phones too. */
const MAX_LOGO_BYTES = 64 * 1024;
/** Of a logo that does not say: it is shown whole in this room. */
const SQUARE = 1;
const TYPES: Readonly<Record<string, string>> = {
  svg: 'image/svg+xml',
  png: 'image/png',
  webp: 'image/webp',
};

/** @throws ConfigError when the logo cannot be used. */
export function loadBrand({ name, logoPath, color }: Config['brand']): Brand {
  return {
    name,
    logo: logoPath === null ? null : readLogo(logoPath),
    css: color === null ? '' : toCss(color),
  };
}

function readLogo(path: string): Brand['logo'] {
  const contentType = TYPES[path.split('.').at(-1)?.toLowerCase() ?? ''];
  if (contentType === undefined)
    throw new ConfigError(['BELLHOP_BRAND_LOGO must be an .svg, .png or .webp file']);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    throw new ConfigError(['BELLHOP_BRAND_LOGO cannot be read']);
  }
  if (bytes.length > MAX_LOGO_BYTES)
    throw new ConfigError([`BELLHOP_BRAND_LOGO must be at most ${MAX_LOGO_BYTES / 1024} kB`]);
  return { bytes, contentType, shape: logoShape(bytes, contentType) ?? SQUARE };
}

/** Without configuration. */
export const PLAIN_BRAND: Brand = { name: 'Bellhop', logo: null, css: '' };

function toCss(color: string): string {
  const { light, dark } = accentsOf(color);
  return `:root {
  --accent: light-dark(${light.ink}, ${dark.ink});
  --on-accent: light-dark(${light.onIt}, ${dark.onIt});
}
`;
}
