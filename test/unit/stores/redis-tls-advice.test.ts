import { expect, test } from 'vitest';
import { tlsAdvice } from '../../../src/stores/redis/redis-tls.ts';

const failed = (words: string) =>
  new Error(`00A1:error:0A000000:SSL routines:ssl3_read_bytes:${words}:ssl/record.c:1:`);

test.each([
  ['tlsv13 alert certificate required', /asks for a client certificate/],
  ['ssl/tls alert bad certificate', /asks for a client certificate/],
  ['sslv3 alert handshake failure', /asks for a client certificate/],
  ['tlsv1 alert unknown ca', /asks for a client certificate/],
  ['tlsv1 alert protocol version', /speaks no TLS 1.2/],
  ['tlsv1 alert internal error', undefined],
  ['wrong version number', /does not speak TLS/],
])('the advice about "%s" is what would help', (words, advice) => {
  const told = tlsAdvice(failed(words), {});
  if (advice === undefined) expect(told).toBeUndefined();
  else expect(told).toMatch(advice);
});
