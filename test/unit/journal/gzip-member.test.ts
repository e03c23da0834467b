import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  beginsMember,
  gunzipMember,
  gzipMember,
  MEMBER_HEADER_LENGTH,
  memberLength,
} from '../../../src/journal/gzip-member.ts';

const TEXTS = ['', 'a', 'läuft ✓ 𝄞\n', 'x'.repeat(100_000), randomBytes(70_000).toString('base64')];

describe('a gzip member', () => {
  test('gives back its text, and knows its length from its header alone', async () => {
    for (const text of TEXTS) {
      const member = await gzipMember(text);
      expect(await gunzipMember(member)).toBe(text);
      expect(memberLength(member.subarray(0, MEMBER_HEADER_LENGTH))).toBe(member.length);
    }
  });

  test('is ordinary gzip, alone and one after the other', async () => {
    const members = await Promise.all(TEXTS.map(gzipMember));
    for (const [index, member] of members.entries()) expect(gunzipSync(member).toString('utf8')).toBe(TEXTS[index]);
    expect(gunzipSync(Buffer.concat(members)).toString('utf8')).toBe(TEXTS.join(''));
    expect(execFileSync('gzip', ['-dc'], { input: Buffer.concat(members) }).toString('utf8')).toBe(TEXTS.join(''));
  });

  test('is nothing where it is torn at any byte, or longer than it says', async () => {
    const member = await gzipMember('[1,["a","b"]]\n');
    for (let left = 0; left < member.length; left += 1) {
      expect(await gunzipMember(member.subarray(0, left))).toBeUndefined();
    }
    expect(await gunzipMember(Buffer.concat([member, Buffer.alloc(1)]))).toBeUndefined();
    expect(await gunzipMember(Buffer.concat([member, member]))).toBeUndefined();
  });

  test('gives its text or nothing, never another text, where any bit was changed', async () => {
    const text = '[1,["a","b"]]\n';
    const member = await gzipMember(text);
    for (let at = 0; at < member.length; at += 1) {
      for (const bit of [1, 2, 4, 8, 16, 32, 64, 128]) {
        const changed = Buffer.from(member);
        changed[at] = changed[at]! ^ bit;
        const read = await gunzipMember(changed);
        // What zcat refuses is refused here too.
        if (read !== undefined) expect([read, gunzipSync(changed).toString('utf8')]).toEqual([text, text]);
      }
    }
  });

  test('is none of ours without our header', async () => {
    expect(memberLength(gzipSync('a'))).toBeUndefined();
    expect(await gunzipMember(gzipSync('a'))).toBeUndefined();
    expect(memberLength(Buffer.alloc(64))).toBeUndefined();
  });

  test('is found wherever it begins', async () => {
    const member = await gzipMember('a');
    expect(beginsMember(Buffer.concat([randomBytes(33), member]))).toBe(true);
    expect(beginsMember(member.subarray(1))).toBe(false);
  });
});
