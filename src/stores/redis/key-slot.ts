/** Slots of a cluster. */
export const SLOTS = 16_384;

/** CRC16-XMODEM (polynomial 0x1021, from 0), as the Redis Cluster specification has it. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  return crc;
});

/**
 * The slot of a key, given as a client sends it (a text is sent as UTF-8): of what stands between the first `{` and the
 * next `}`, where there is something, else of the whole key.
 */
export function keySlot(key: string | Buffer): number {
  // Asked for every key: a text of ASCII is its own bytes.
  if (typeof key === 'string' && Buffer.byteLength(key) === key.length) return slotOf(key, (at) => key.charCodeAt(at));
  const bytes = typeof key === 'string' ? Buffer.from(key, 'utf8') : key;
  return slotOf(bytes, (at) => bytes[at] ?? 0);
}

function slotOf(key: string | Buffer, byteAt: (index: number) => number): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  const [start, end] = close > open + 1 ? [open + 1, close] : [0, key.length];
  let crc = 0;
  for (let at = start; at < end; at += 1) crc = ((crc << 8) & 0xffff) ^ (TABLE[((crc >> 8) ^ byteAt(at)) & 0xff] ?? 0);
  return crc % SLOTS;
}
