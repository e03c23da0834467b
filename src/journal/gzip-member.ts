import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, inflateRaw } from 'node:zlib';

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

/**
 * RFC 1952: magic, deflate, a flag for the extra field, no time, no hints, system unknown; then the extra field with one
 * subfield `TM` that holds the length of the whole member, so that a file can be walked without inflating it.
 */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 8, 0, 0x54, 0x4d, 4, 0]);
/** Bytes before the compressed data: the header above and the length. */
const HEADER_LENGTH = HEADER.length + 4;
/** CRC-32 and length of what was compressed. */
const TRAILER_LENGTH = 8;

/** The text as one complete gzip member, which `zcat` reads like any other. */
export async function gzipMember(text: string): Promise<Buffer> {
  const plain = Buffer.from(text);
  const body = await deflate(plain, { level: constants.Z_BEST_SPEED });
  const length = Buffer.alloc(4);
  length.writeUInt32LE(HEADER_LENGTH + body.length + TRAILER_LENGTH);
  const trailer = Buffer.alloc(TRAILER_LENGTH);
  trailer.writeUInt32LE(crc32(plain), 0);
  trailer.writeUInt32LE(plain.length % 2 ** 32, 4);
  return Buffer.concat([HEADER, length, body, trailer]);
}

/** What was compressed; undefined where the bytes are not one whole, undamaged member. */
export async function gunzipMember(member: Buffer): Promise<string | undefined> {
  if (memberLength(member) !== member.length) return undefined;
  const trailer = member.length - TRAILER_LENGTH;
  const plain = await inflateOrNothing(member.subarray(HEADER_LENGTH, trailer));
  if (plain === undefined || crc32(plain) !== member.readUInt32LE(trailer)) return undefined;
  return plain.length % 2 ** 32 === member.readUInt32LE(trailer + 4) ? plain.toString('utf8') : undefined;
}

/** The length in bytes of the member that begins here; undefined where none of ours does. */
export function memberLength(bytes: Buffer): number | undefined {
  if (bytes.length < HEADER_LENGTH || !bytes.subarray(0, HEADER.length).equals(HEADER)) return undefined;
  const length = bytes.readUInt32LE(HEADER.length);
  return length > HEADER_LENGTH + TRAILER_LENGTH ? length : undefined;
}

/** Bytes that {@link memberLength} needs. */
export const MEMBER_HEADER_LENGTH = HEADER_LENGTH;

async function inflateOrNothing(body: Buffer): Promise<Buffer | undefined> {
  try {
    return await inflate(body);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_')) return undefined;
    throw error;
  }
}

/** Whether a member begins anywhere in these bytes. */
export function beginsMember(bytes: Buffer): boolean {
  return bytes.includes(HEADER);
}
