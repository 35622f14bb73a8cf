// Where tokens of JSON end.

export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** @returns the index after the closing quote; −1: it has not arrived */
export function endOfText(bytes: Buffer, at: number): number {
  for (let i = at + 1; i < bytes.length; i++) {
    if (bytes[i] === 0x22) return i + 1;
    if (bytes[i] === 0x5c) i++;
  }
  return -1;
}

/** @returns the index after a number or word; −1: more of it may arrive */
export function endOfWord(bytes: Buffer, at: number): number {
  for (let i = at; i < bytes.length; i++) {
    if (isWord(bytes[i] as number)) continue;
    // What is no word either is refused as it stands.
    return Math.max(i, at + 1);
  }
  return -1;
}

function isWord(byte: number): boolean {
  const isLetter = (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
  return isLetter || (byte >= 0x30 && byte <= 0x39) || [0x2b, 0x2d, 0x2e].includes(byte);
}

/** The word or character there, for a message. */
export function wordAt(bytes: Buffer, at: number): string {
  let end = at;
  while (end < bytes.length && end < at + 20 && isWord(bytes[end] as number)) end++;
  return bytes.toString('utf8', at, Math.max(end, at + 1));
}
