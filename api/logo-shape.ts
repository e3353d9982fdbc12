/** How wide a logo is for its height, read from its first bytes, so that pages keep room for it before it has come. Pure. */
type Size = readonly [width: number, height: number];

/** @returns width by height; null when the file does not say, or not plainly. */
export function logoShape(bytes: Buffer, contentType: string): number | null {
  const [width, height] = sizeOf(bytes, contentType) ?? [0, 0];
  const shape = width / height;
  return width > 0 && height > 0 && Number.isFinite(shape) ? shape : null;
}

function sizeOf(bytes: Buffer, contentType: string): Size | null {
  if (contentType === 'image/svg+xml') return svgSize(bytes.toString('utf8'));
  // Shorter than any header below.
  if (bytes.length < 30) return null;
  if (contentType === 'image/png') return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  return webpSize(bytes);
}

/** The view box is what is drawn; width and height only where there is none. */
function svgSize(text: string): Size | null {
  const tag = /<svg\b[^>]*>/i.exec(text)?.[0] ?? '';
  const box = /\bviewBox=["']\s*([^"']+?)\s*["']/
    .exec(tag)?.[1]
    ?.split(/[\s,]+/)
    .map(Number);
  if (box?.length === 4) return [box[2] ?? 0, box[3] ?? 0];
  const length = (name: string): number =>
    Number(new RegExp(`\\s${name}=["']([\\d.]+)(?:px)?["']`).exec(tag)?.[1] ?? 0);
  return [length('width'), length('height')];
}

/** The three kinds of first chunk, as https://developers.google.com/speed/webp/docs/riff_container has them. */
function webpSize(bytes: Buffer): Size | null {
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8X':
      return [bytes.readUIntLE(24, 3) + 1, bytes.readUIntLE(27, 3) + 1];
    case 'VP8 ':
      return [bytes.readUInt16LE(26) & 0x3f_ff, bytes.readUInt16LE(28) & 0x3f_ff];
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21);
      return [(bits & 0x3f_ff) + 1, ((bits >>> 14) & 0x3f_ff) + 1];
    }
    default:
      return null;
  }
}
