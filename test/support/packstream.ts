/** A PackStream structure, such as a message of Bolt. */
export interface Structure {
  readonly signature: number;
  readonly fields: readonly unknown[];
}

/** What is encoded as a PackStream value (Bolt's encoding): a bigint as an integer, a number as a float. */
export function packed(value: unknown): Buffer {
  if (value === null || value === undefined) return Buffer.from([0xc0]);
  if (typeof value === 'boolean') return Buffer.from([value ? 0xc3 : 0xc2]);
  if (typeof value === 'bigint') {
    const bytes = Buffer.alloc(9, 0xcb);
    bytes.writeBigInt64BE(value, 1);
    return bytes;
  }
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(9, 0xc1);
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (typeof value === 'string') {
    const text = Buffer.from(value);
    return Buffer.concat([sized(0xd2, text.length), text]);
  }
  if (Array.isArray(value)) return Buffer.concat([sized(0xd6, value.length), ...value.map(packed)]);
  const entries = Object.entries(value);
  return Buffer.concat([
    sized(0xda, entries.length),
    ...entries.flatMap(([name, each]) => [packed(name), packed(each)]),
  ]);
}

/** A message of Bolt with its chunks and their end. */
export function packedMessage(signature: number, field: unknown): Buffer {
  const body = Buffer.concat([Buffer.from([0xb1, signature]), packed(field)]);
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += 0xffff) {
    const chunk = body.subarray(at, at + 0xffff);
    const head = Buffer.alloc(2);
    head.writeUInt16BE(chunk.length);
    parts.push(head, chunk);
  }
  return Buffer.concat([...parts, Buffer.alloc(2)]);
}

function sized(marker: number, size: number): Buffer {
  const head = Buffer.alloc(5, marker);
  head.writeUInt32BE(size, 1);
  return head;
}

/** The value of a PackStream text; integers as bigint. */
export function unpacked(bytes: Buffer): unknown {
  let at = 0;
  const uint = (size: number): number => {
    at += size;
    return bytes.readUIntBE(at - size, size);
  };
  const int = (size: number): bigint => {
    at += size;
    return size === 8 ? bytes.readBigInt64BE(at - 8) : BigInt(bytes.readIntBE(at - size, size));
  };
  const text = (size: number): string => {
    at += size;
    return bytes.toString('utf8', at - size, at);
  };
  const list = (size: number): unknown[] => Array.from({ length: size }, () => value());
  const map = (size: number): Record<string, unknown> =>
    Object.fromEntries(Array.from({ length: size }, () => [String(value()), value()]));

  function value(): unknown {
    const marker = uint(1);
    const [high, low] = [marker >> 4, marker & 0xf];
    if (marker < 0x80) return BigInt(marker);
    if (marker >= 0xf0) return BigInt(marker - 0x100);
    if (high === 0x8) return text(low);
    if (high === 0x9) return list(low);
    if (high === 0xa) return map(low);
    if (high === 0xb) return { signature: uint(1), fields: list(low) } satisfies Structure;
    if (marker >= 0xc8 && marker <= 0xcb) return int(2 ** (marker - 0xc8));
    if (marker >= 0xd0 && marker <= 0xd2) return text(uint(2 ** (marker - 0xd0)));
    if (marker >= 0xd4 && marker <= 0xd6) return list(uint(2 ** (marker - 0xd4)));
    if (marker >= 0xd8 && marker <= 0xda) return map(uint(2 ** (marker - 0xd8)));
    if (marker === 0xc0) return null;
    if (marker === 0xc2 || marker === 0xc3) return marker === 0xc3;
    if (marker !== 0xc1) throw new Error(`an unexpected PackStream marker ${marker.toString(16)}`);
    at += 8;
    return bytes.readDoubleBE(at - 8);
  }

  return value();
}
