/** Reads an answer's body as text up to a size that is counted after decompression. Knows nothing else of the answer. */

/** The body, or null when it is larger than `maxBytes` (the rest is then not read). Rejects as the body's stream does. */
export async function readCapped(response: Response, maxBytes: number): Promise<string | null> {
  const declared = response.headers.get('content-length');
  if (declared !== null && Number(declared) > maxBytes) {
    await discard(response);
    return null;
  }
  // HTTP cuts a body at its declared length, so a small declared length needs no counting, unless it is compressed.
  if (declared !== null && response.headers.get('content-encoding') === null) return await response.text();
  if (response.body === null) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    // Leaving the loop cancels the stream, and with it the connection.
    if (size > maxBytes) return null;
    chunks.push(chunk);
  }
  return new TextDecoder().decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size));
}

async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}
